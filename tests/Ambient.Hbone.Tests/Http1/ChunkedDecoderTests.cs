using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1;

public sealed class ChunkedDecoderTests
{
    [Fact]
    public void The_body_is_lent_where_it_lies()
    {
        var (decoder, trailers) = (new ChunkedDecoder(Heads.MaxSize, Heads.MaxFields), new HttpFields());
        var bytes = "5\r\nhello\r\n1;x\r\n!\r\n0\r\nx: y\r\n\r\nGET"u8;
        Assert.Equal((8, 3, 5), (decoder.Decode(bytes, trailers, out var start, out var length), start, length));
        bytes = bytes[8..];
        Assert.Equal((8, 7, 1), (decoder.Decode(bytes, trailers, out start, out length), start, length));
        bytes = bytes[8..];
        Assert.False(decoder.IsDone);
        Assert.Equal((13, 0), (decoder.Decode(bytes, trailers, out _, out length), length));
        Assert.Equal((true, "x: y\n"), (decoder.IsDone, Heads.Lines(trailers)));
        Assert.Equal("GET"u8, bytes[13..]);
        Assert.Equal(0, decoder.Decode(bytes[13..], trailers, out _, out length));
        decoder.Reset();
        Assert.False(decoder.IsDone);
        Assert.Equal("a|", Outcome(decoder, "1\r\na\r\n0\r\n\r\n"));
    }

    [Fact]
    public void A_chunk_larger_than_memory_is_passed_on_as_it_comes()
    {
        var (decoder, trailers) = (new ChunkedDecoder(Heads.MaxSize, Heads.MaxFields), new HttpFields());
        Assert.Equal(10, decoder.Decode("200000000\r"u8, trailers, out _, out var length));
        Assert.Equal(2, decoder.Decode("\na"u8, trailers, out _, out length));
        var piece = new byte[64 * 1024];
        for (var left = 0x200000000 - 1; left > 0; left -= length)
        {
            decoder.Decode(piece, trailers, out _, out length);
            Assert.Equal((int)Math.Min(piece.Length, left), length);
        }

        Assert.Equal(7, decoder.Decode("\r\n0\r\n\r\n"u8, trailers, out _, out length));
        Assert.True(decoder.IsDone);
    }

    [Fact]
    public void Trailers_have_at_most_60_KiB_and_100_fields()
    {
        static string Large(int size, int pieces)
        {
            var text = "0\r\n" + string.Concat(Enumerable.Repeat("x: y\r\n", pieces));
            return text + $"z: {new string('a', size - (text.Length - 3) - 7)}\r\n\r\n";
        }

        static string Many(int count) => "0\r\n" + string.Concat(Enumerable.Repeat("x: y\r\n", count)) + "\r\n";
        foreach (var sizes in new int[][] { [], [1], [1000], [Heads.MaxSize - 10, 1] })
        {
            Assert.NotEqual("431", ChunkedCases.Outcome(Heads.Bytes(Large(Heads.MaxSize, 3)), sizes));
            Assert.Equal("431", ChunkedCases.Outcome(Heads.Bytes(Large(Heads.MaxSize + 1, 3)), sizes));
            Assert.NotEqual("431", ChunkedCases.Outcome(Heads.Bytes(Many(100)), sizes));
            Assert.Equal("431", ChunkedCases.Outcome(Heads.Bytes(Many(101)), sizes));
        }
    }

    [Theory]
    [InlineData(";a=", "a", "\r\nx\r\n")]
    [InlineData("", "1;abcdefghijklmnopqrstuvwxyz0123456789\r\nx\r\n", "")]
    public void Sizes_and_extensions_that_dwarf_the_body_are_refused(string before, string repeated, string after)
    {
        static string Text(string before, string repeated, string after, int length) =>
            (before.Length > 0 ? "1" : "") + before + string.Concat(Enumerable.Repeat(repeated, length / repeated.Length)) + after + "0\r\n\r\n";
        Assert.Contains("|", ChunkedCases.Outcome(Heads.Bytes(Text(before, repeated, after, 15_000))), StringComparison.Ordinal);
        Assert.Equal("400", ChunkedCases.Outcome(Heads.Bytes(Text(before, repeated, after, 64_000))));
    }

    [Fact]
    public void Small_chunks_may_go_on_for_ever()
    {
        var decoder = new ChunkedDecoder(Heads.MaxSize, Heads.MaxFields);
        var trailers = new HttpFields();
        var piece = "1;seq=12345\r\na\r\n"u8.ToArray();
        var decoded = 0;
        for (var i = 0; i < 100_000; i++)
        {
            for (var rest = piece.AsSpan(); !rest.IsEmpty;)
            {
                rest = rest[decoder.Decode(rest, trailers, out _, out var length)..];
                decoded += length;
            }
        }

        Assert.Equal(100_000, decoded);
    }

    [Fact]
    public void Decoding_allocates_nothing()
    {
        var (decoder, trailers) = (new ChunkedDecoder(Heads.MaxSize, Heads.MaxFields), new HttpFields());
        var bytes = Encoding.ASCII.GetBytes("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx-sum: 42\r\n\r\n");
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                decoder.Reset();
                trailers.Clear();
                for (var rest = bytes.AsSpan(); !rest.IsEmpty;)
                {
                    rest = rest[decoder.Decode(rest, trailers, out _, out _)..];
                }
            }
        }));
    }

    private static string Outcome(ChunkedDecoder decoder, string text)
    {
        var read = Heads.Chunked(decoder, Heads.Bytes(text));
        return read.IsDone ? $"{read.Text}|{Heads.Lines(read.Trailers)}" : "more";
    }
}
