using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class HPackEncoderTests
{
    [Fact]
    public void WriteHeader_SecondTime_IsOneByte()
    {
        var encoder = new HPackEncoder();
        Assert.True(HPackBlocks.Encode(encoder, (":authority", "10.0.0.1:80", HeaderIndexing.Incremental)).Length > 5);
        Assert.Equal([0xbe], HPackBlocks.Encode(encoder, (":authority", "10.0.0.1:80", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void WriteHeader_Status200_IsOneByte() =>
        Assert.Equal([0x88], HPackBlocks.Encode(new HPackEncoder(), (":status", "200", HeaderIndexing.Without)));

    [Fact]
    public void WriteHeader_Never_IsMarkedAndNotIndexedEvenIfKnown()
    {
        var encoder = new HPackEncoder();
        HPackBlocks.Encode(encoder, ("cookie", "a", HeaderIndexing.Incremental));
        Assert.Equal(0x10, HPackBlocks.Encode(encoder, ("cookie", "a", HeaderIndexing.Never))[0] & 0xf0);
    }

    [Fact]
    public void WriteHeader_PeerTableOfZero_NeverRefersToIt()
    {
        var encoder = new HPackEncoder();
        encoder.SetPeerTableSize(0);
        var first = HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        Assert.Equal([0x20, 0x00, 1, (byte)'x', 1, (byte)'y'], first);
        Assert.Equal(first[1..], HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void SetPeerTableSize_DownAndUpBetweenBlocks_AnnouncesBoth()
    {
        var encoder = new HPackEncoder();
        HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        encoder.SetPeerTableSize(10);
        encoder.SetPeerTableSize(uint.MaxValue);
        var block = HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        Assert.Equal([0x2a, 0x3f, 0xe1, 0x1f, 0x40], block[..5]);
    }

    [Fact]
    public void SetPeerTableSize_LargerThanOurLimit_IsNotUsed()
    {
        var encoder = new HPackEncoder();
        encoder.SetPeerTableSize(1_000_000);
        Assert.Equal([0x82], HPackBlocks.Encode(encoder, (":method", "GET", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void WriteHeader_LimitBelowDefault_IsAnnouncedFirst() =>
        Assert.Equal([0x3f, 0x45, 0x82], HPackBlocks.Encode(new HPackEncoder(100), (":method", "GET", HeaderIndexing.Incremental)));

    [Fact]
    public void WriteHeader_NotKept_IsPlainText()
    {
        // Each character of these has a shorter code, and what is kept has it.
        Assert.Equal([0x04, 2, (byte)'/', (byte)'a'], HPackBlocks.Encode(new HPackEncoder(), (":path", "/a", HeaderIndexing.Without)));
        Assert.Equal([0x00, 1, (byte)'a', 3, (byte)'a', (byte)'a', (byte)'a'], HPackBlocks.Encode(new HPackEncoder(), ("a", "aaa", HeaderIndexing.Without)));
        Assert.Equal([0x1f, 0x11, 3, (byte)'a', (byte)'a', (byte)'a'], HPackBlocks.Encode(new HPackEncoder(), ("cookie", "aaa", HeaderIndexing.Never)));
        Assert.Equal([0x60, 0x82, 0x18, 0xc7], HPackBlocks.Encode(new HPackEncoder(), ("cookie", "aaa", HeaderIndexing.Incremental)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void WriteHeader_HeadersThatComeAgainWhileTheTableChanges_ReadTheSame(int seed)
    {
        // Few headers that come again and again, others that push them out, tables of all sizes: whatever the encoder remembers of where a
        // header was, what it writes must still mean that header.
        var random = new Random(seed);
        var encoder = new HPackEncoder();
        var decoder = new HPackDecoder();
        for (var round = 0; round < 3000; round++)
        {
            if (random.Next(40) == 0)
            {
                encoder.SetPeerTableSize((uint)random.Next(0, 4097));
            }

            var headers = new (string Name, string Value, HeaderIndexing Indexing)[random.Next(1, 12)];
            for (var i = 0; i < headers.Length; i++)
            {
                var name = random.Next(4) == 0 ? ":method" : "n" + random.Next(6);
                var value = random.Next(3) == 0 ? new string('v', random.Next(0, 300)) : random.Next(4) switch { 0 => "GET", 1 => "", _ => "value-" + random.Next(20) };
                headers[i] = (name, value, random.Next(8) == 0 ? HeaderIndexing.Without : HeaderIndexing.Incremental);
            }

            Assert.Equal(headers.Select(h => (h.Name, h.Value)), HeaderList.Decode(decoder, HPackBlocks.Encode(encoder, headers)));
        }
    }
}
