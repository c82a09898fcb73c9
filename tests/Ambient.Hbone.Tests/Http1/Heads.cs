using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>Reads messages for tests, in pieces of any size, as a connection does: what a parser leaves is shown to it again with what comes next.</summary>
internal static class Heads
{
    public const int MaxSize = 60 * 1024;
    public const int MaxFields = 100;

    /// <summary>A text in which each line ends with CRLF, as bytes (Latin-1).</summary>
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    /// <summary>Reads the head of a request that stands at the beginning of bytes.</summary>
    /// <param name="bytes">Bytes.</param>
    /// <param name="sizes">Sizes of the pieces that they come in, the last of which is repeated; none: all at once.</param>
    public static ReadRequest Request(ReadOnlySpan<byte> bytes, params int[] sizes) => Request(new Http1RequestParser(MaxSize, MaxFields), bytes, sizes);

    /// <inheritdoc cref="Request(ReadOnlySpan{byte}, int[])"/>
    public static ReadRequest Request(Http1RequestParser parser, ReadOnlySpan<byte> bytes, params int[] sizes)
    {
        var head = new RequestHead();
        var (taken, shown) = (0, 0);
        for (var i = 0; ; i++)
        {
            shown = sizes.Length == 0 ? bytes.Length : Math.Min(bytes.Length, shown + sizes[Math.Min(i, sizes.Length - 1)]);
            var isComplete = parser.Parse(bytes[taken..shown], head, out var consumed);
            taken += consumed;
            if (isComplete || shown == bytes.Length)
            {
                return new ReadRequest(head, isComplete, parser.Framing, taken);
            }
        }
    }

    /// <summary>Reads the head of a response; see <see cref="Request(ReadOnlySpan{byte}, int[])"/>.</summary>
    public static ReadResponse Response(ReadOnlySpan<byte> bytes, string method = "GET", params int[] sizes)
    {
        var parser = new Http1ResponseParser(MaxSize, MaxFields);
        var head = new ResponseHead();
        var (taken, shown) = (0, 0);
        for (var i = 0; ; i++)
        {
            shown = sizes.Length == 0 ? bytes.Length : Math.Min(bytes.Length, shown + sizes[Math.Min(i, sizes.Length - 1)]);
            var isComplete = parser.Parse(bytes[taken..shown], head, method, out var consumed);
            taken += consumed;
            if (isComplete || shown == bytes.Length)
            {
                return new ReadResponse(head, isComplete, parser.Framing, taken);
            }
        }
    }

    /// <summary>Decodes a chunked body that comes in pieces.</summary>
    public static ReadBody Chunked(ReadOnlySpan<byte> bytes, params int[] sizes) => Chunked(new ChunkedDecoder(MaxSize, MaxFields), bytes, sizes);

    /// <inheritdoc cref="Chunked(ReadOnlySpan{byte}, int[])"/>
    public static ReadBody Chunked(ChunkedDecoder decoder, ReadOnlySpan<byte> bytes, params int[] sizes)
    {
        var trailers = new HttpFields();
        var body = new MemoryStream();
        var taken = 0;
        for (var i = 0; taken < bytes.Length && !decoder.IsDone; i++)
        {
            var piece = bytes[taken..(sizes.Length == 0 ? bytes.Length : Math.Min(bytes.Length, taken + sizes[Math.Min(i, sizes.Length - 1)]))];
            while (!piece.IsEmpty && !decoder.IsDone)
            {
                var consumed = decoder.Decode(piece, trailers, out var start, out var length);
                Assert.True(consumed > 0, "a call takes bytes");
                Assert.True(length > 0 || consumed == piece.Length || decoder.IsDone, "what is left behind is behind the body's bytes, or behind the end");
                body.Write(piece.Slice(start, length));
                piece = piece[consumed..];
                taken += consumed;
            }
        }

        return new ReadBody(body.ToArray(), trailers, decoder.IsDone, taken);
    }

    /// <summary>The fields of a list, a line each.</summary>
    public static string Lines(HttpFields fields)
    {
        var text = new StringBuilder();
        for (var i = 0; i < fields.Count; i++)
        {
            text.Append(fields[i].NameText).Append(": ").Append(fields[i].ValueText).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>All that was read of a request, to compare.</summary>
    public static string Describe(ReadRequest read)
    {
        var head = read.Head;
        return $"{read.IsComplete} {read.Consumed} {read.Framing} {head.Method}|{head.Scheme}|{head.Authority}|{head.Target}|{head.Version}|{head.Upgrade}|{head.HasBody}|"
            + $"{head.ContentLength}|{head.ExpectsContinue}|{head.TakesTrailers}\n{Lines(head.Fields)}";
    }

    /// <summary>All that was read of a response, to compare.</summary>
    public static string Describe(ReadResponse read)
    {
        var head = read.Head;
        return $"{read.IsComplete} {read.Consumed} {read.Framing} {head.Version}|{head.Status}|{head.HasBody}|{head.ContentLength}|{head.Upgrade}\n{Lines(head.Fields)}";
    }
}

internal sealed record ReadRequest(RequestHead Head, bool IsComplete, Http1Framing Framing, int Consumed);

internal sealed record ReadResponse(ResponseHead Head, bool IsComplete, Http1Framing Framing, int Consumed);

internal sealed record ReadBody(byte[] Bytes, HttpFields Trailers, bool IsDone, int Consumed)
{
    public string Text => Encoding.Latin1.GetString(Bytes);
}
