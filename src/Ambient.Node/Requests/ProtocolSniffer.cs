using System.Buffers;
using System.IO.Pipelines;

namespace Ambient.Node.Requests;

/// <summary>
/// Looks at the first bytes of a connection without taking them. There is no time limit, as in Istio
/// (<c>protocolDetectionTimeout</c> is 0): a client that waits for the server to speak first waits for ever on a port without a declared protocol.
/// </summary>
internal static class ProtocolSniffer
{
    // A request line longer than this is not waited for.
    private const int MaxRequestLine = 8192;

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>
    /// Waits for enough bytes to tell. With <paramref name="declaredHttp"/> only the version of HTTP is in question.
    /// </summary>
    public static async ValueTask<InnerProtocol> DetectAsync(PipeReader input, bool declaredHttp, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
            var buffer = result.Buffer;
            var verdict = Judge(buffer, declaredHttp);
            if (verdict is null && result.IsCompleted)
            {
                verdict = buffer.IsEmpty ? InnerProtocol.Closed : declaredHttp ? InnerProtocol.Http1 : InnerProtocol.Opaque;
            }

            if (verdict is { } known)
            {
                // Examined stays at the start, so that the next reader sees these bytes at once.
                input.AdvanceTo(buffer.Start, buffer.Start);
                return known;
            }

            input.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>What the bytes so far say; null when more are needed.</summary>
    public static InnerProtocol? Judge(in ReadOnlySequence<byte> buffer, bool declaredHttp)
    {
        if (buffer.IsEmpty)
        {
            return null;
        }

        Span<byte> copy = stackalloc byte[24];
        var start = copy[..(int)Math.Min(copy.Length, buffer.Length)];
        buffer.Slice(0, start.Length).CopyTo(start);
        if (Preface.StartsWith(start))
        {
            return start.Length == Preface.Length ? InnerProtocol.Http2 : null;
        }

        return declaredHttp ? InnerProtocol.Http1 : JudgeRequestLine(buffer);
    }

    // method SP target SP HTTP/1.x
    private static InnerProtocol? JudgeRequestLine(in ReadOnlySequence<byte> buffer)
    {
        var reader = new SequenceReader<byte>(buffer);
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n', advancePastDelimiter: false))
        {
            return buffer.Length > MaxRequestLine || !StartsLikeMethod(buffer) ? InnerProtocol.Opaque : null;
        }

        if (line.Length > MaxRequestLine)
        {
            return InnerProtocol.Opaque;
        }

        var bytes = line.IsSingleSegment ? line.FirstSpan : line.ToArray();
        bytes = bytes.EndsWith("\r"u8) ? bytes[..^1] : bytes;
        return StartsLikeMethod(buffer) && (bytes.EndsWith(" HTTP/1.1"u8) || bytes.EndsWith(" HTTP/1.0"u8))
            ? InnerProtocol.Http1
            : InnerProtocol.Opaque;
    }

    private static bool StartsLikeMethod(in ReadOnlySequence<byte> buffer)
    {
        var length = 0;
        foreach (var segment in buffer)
        {
            foreach (var b in segment.Span)
            {
                if (b == ' ')
                {
                    return length > 0;
                }

                // RFC 9110 5.6.2 tokens; methods in use are letters and dashes.
                if (!(char.IsAsciiLetter((char)b) || b is (byte)'-' or (byte)'_') || ++length > 32)
                {
                    return false;
                }
            }
        }

        return true;
    }
}
