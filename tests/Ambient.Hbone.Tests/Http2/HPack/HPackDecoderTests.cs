using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Testing.Fuzzing;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class HPackDecoderTests
{
    [Theory]
    [InlineData("80")] // index 0
    [InlineData("be")] // index 62 of an empty table
    [InlineData("ff80808001")] // a far index
    [InlineData("7f80808080808001")] // an integer of more than 28 bits
    [InlineData("ffffffffff7f")]
    [InlineData("0f")] // the block ends inside an integer
    [InlineData("40")] // and before the name
    [InlineData("4001")] // and inside the name
    [InlineData("400161")] // and before the value
    [InlineData("400161027a")] // and inside the value
    [InlineData("4001617fffffff7f")] // a length beyond the block
    [InlineData("00016181ff")] // Huffman: padding of eight bits
    [InlineData("3fe21f")] // table size 4097
    [InlineData("8220")] // table size update after a header
    public void Decode_MalformedBlock_IsACompressionError(string block)
    {
        var exception = Assert.Throws<Http2ConnectionException>(() => HeaderList.Decode(new HPackDecoder(), Convert.FromHexString(block)));
        Assert.Equal(Http2ErrorCode.CompressionError, exception.Code);
    }

    [Fact]
    public void Decode_TableSizeUpdatesFirst_EvictAndRestore()
    {
        var decoder = new HPackDecoder();
        HeaderList.Decode(decoder, [0x40, 1, (byte)'a', 1, (byte)'b']);
        Assert.Equal([("a", "b")], HeaderList.Decode(decoder, [0xbe]));

        // To 0 and back to 4096: the table is empty.
        Assert.Empty(HeaderList.Decode(decoder, [0x20, 0x3f, 0xe1, 0x1f]));
        Assert.Throws<Http2ConnectionException>(() => HeaderList.Decode(decoder, [0xbe]));
    }

    [Fact]
    public void Decode_EntryLargerThanTheTable_EmptiesItWithoutError()
    {
        var decoder = new HPackDecoder(64);
        HeaderList.Decode(decoder, [0x40, 1, (byte)'a', 1, (byte)'b']);
        byte[] large = [0x40, 1, (byte)'c', 40, .. Enumerable.Repeat((byte)'d', 40)];
        Assert.Equal([("c", new string('d', 40))], HeaderList.Decode(decoder, large));
        Assert.Throws<Http2ConnectionException>(() => HeaderList.Decode(decoder, [0xbe]));
    }

    [Fact]
    public void Decode_NameOfTheEntryThatItEvicts_IsKept()
    {
        // RFC 7541 section 4.4: the name that a new entry refers to may belong to the entry evicted for it.
        var decoder = new HPackDecoder(80);
        HeaderList.Decode(decoder, [0x40, 4, .. "name"u8, 30, .. Enumerable.Repeat((byte)'x', 30)]);
        Assert.Equal([("name", new string('y', 31))], HeaderList.Decode(decoder, [0x7e, 31, .. Enumerable.Repeat((byte)'y', 31)]));
        Assert.Equal([("name", new string('y', 31))], HeaderList.Decode(decoder, [0xbe]));
    }

    [Fact]
    public void Decode_KnownHeaders_AllocatesNothing()
    {
        var decoder = new HPackDecoder();
        byte[] first = [0x88, 0x40, 7, .. "baggage"u8, 3, .. "a=b"u8];
        byte[] again = [0x88, 0xbe];
        var sink = default(Counter);
        decoder.Decode(first, ref sink);
        decoder.Decode(again, ref sink);
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                decoder.Decode(again, ref sink);
                decoder.Decode(first, ref sink);
            }
        }));
        Assert.Equal(4, sink.Count % 4000);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Decode_RandomBytes_ThrowsNothingButConnectionErrors()
    {
        var accepted = 0;
        FuzzBudget.Run(50_000, random =>
        {
            var block = new byte[random.Next(64)];
            random.NextBytes(block);
            var decoder = new HPackDecoder(random.Next(0, 200));
            try
            {
                accepted += HeaderList.Decode(decoder, block).Count;
            }
            catch (Http2ConnectionException exception)
            {
                Assert.Equal(Http2ErrorCode.CompressionError, exception.Code);
            }
        });

        Assert.True(accepted > 0);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Decode_ValidBlockCutOrBent_ThrowsNothingButConnectionErrors()
    {
        FuzzBudget.Run(20_000, random =>
        {
            var block = HPackBlocks.Encode(
                new HPackEncoder(),
                (":method", "CONNECT", HeaderIndexing.Incremental),
                (":authority", $"10.0.0.{random.Next(256)}:{random.Next(65536)}", HeaderIndexing.Incremental),
                ("baggage", new string('b', random.Next(300)), HeaderIndexing.Without));
            block = block[..random.Next(block.Length + 1)];
            for (var bends = random.Next(4); bends > 0 && block.Length > 0; bends--)
            {
                block[random.Next(block.Length)] = (byte)random.Next(256);
            }

            try
            {
                HeaderList.Decode(new HPackDecoder(), block);
            }
            catch (Http2ConnectionException exception)
            {
                Assert.Equal(Http2ErrorCode.CompressionError, exception.Code);
            }
        });
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void DecodeEncode_RandomHeadersOverOneConnection_RoundTrip()
    {
        FuzzBudget.Run(60, random =>
        {
            var limit = random.Next(0, 600);
            var decoder = new HPackDecoder(limit);
            var encoder = new HPackEncoder();
            encoder.SetPeerTableSize((uint)limit);
            for (var blocks = 0; blocks < 60; blocks++)
            {
                if (random.Next(8) == 0)
                {
                    // What a peer's new SETTINGS do, several at a time; the decoder's own limit stays the largest.
                    encoder.SetPeerTableSize((uint)random.Next(0, limit + 1));
                    encoder.SetPeerTableSize((uint)random.Next(0, limit + 1));
                }

                var headers = Enumerable.Range(0, random.Next(8)).Select(_ => RandomHeader(random)).ToArray();
                var block = HPackBlocks.Encode(encoder, headers);
                Assert.Equal(headers.Select(header => (header.Name, header.Value)), HeaderList.Decode(decoder, block));
            }
        });
    }

    private static (string Name, string Value, HeaderIndexing Indexing) RandomHeader(Random random)
    {
        string[] names = [":method", ":authority", "baggage", "forwarded", "traceparent", "x-" + random.Next(20), "cookie"];
        var value = new StringBuilder();
        for (var length = random.Next(4) == 0 ? random.Next(400) : random.Next(12); length > 0; length--)
        {
            value.Append((char)random.Next(random.Next(4) == 0 ? 0 : 'a', random.Next(4) == 0 ? 256 : 'z'));
        }

        return (names[random.Next(names.Length)], value.ToString(), (HeaderIndexing)random.Next(3));
    }

    private struct Counter : IHeaderSink
    {
        public int Count;

        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value) => Count++;
    }
}
