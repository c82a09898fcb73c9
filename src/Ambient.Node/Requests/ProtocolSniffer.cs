using Ambient.Hbone.Messages;

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
    /// <exception cref="IOException">The channel failed.</exception>
    public static async ValueTask<InnerProtocol> DetectAsync(MessageChannel channel, bool declaredHttp, CancellationToken cancellationToken)
    {
        for (var seen = 0; ;)
        {
            var bytes = await channel.PeekAsync(MaxRequestLine + 1, cancellationToken).ConfigureAwait(false);
            if (Judge(bytes.Span, declaredHttp) is { } known)
            {
                return known;
            }

            if (bytes.Length == seen)
            {
                return bytes.IsEmpty ? InnerProtocol.Closed : declaredHttp ? InnerProtocol.Http1 : InnerProtocol.Opaque;
            }

            seen = bytes.Length;
        }
    }

    /// <summary>What the bytes so far say; null when more are needed.</summary>
    public static InnerProtocol? Judge(ReadOnlySpan<byte> bytes, bool declaredHttp)
    {
        if (bytes.IsEmpty)
        {
            return null;
        }

        var start = bytes[..Math.Min(bytes.Length, Preface.Length)];
        if (Preface.StartsWith(start))
        {
            return start.Length == Preface.Length ? InnerProtocol.Http2 : null;
        }

        return declaredHttp ? InnerProtocol.Http1 : JudgeRequestLine(bytes);
    }

    // method SP target SP HTTP/1.x
    private static InnerProtocol? JudgeRequestLine(ReadOnlySpan<byte> bytes)
    {
        if (!StartsLikeMethod(bytes))
        {
            return InnerProtocol.Opaque;
        }

        var end = bytes.IndexOf((byte)'\n');
        if (end < 0)
        {
            return bytes.Length > MaxRequestLine ? InnerProtocol.Opaque : null;
        }

        var line = bytes[..end];
        line = line.EndsWith("\r"u8) ? line[..^1] : line;
        return end <= MaxRequestLine && (line.EndsWith(" HTTP/1.1"u8) || line.EndsWith(" HTTP/1.0"u8)) ? InnerProtocol.Http1 : InnerProtocol.Opaque;
    }

    private static bool StartsLikeMethod(ReadOnlySpan<byte> bytes)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            var b = bytes[i];
            if (b == ' ')
            {
                return i > 0;
            }

            // RFC 9110 5.6.2 tokens; methods in use are letters and dashes.
            if (!(char.IsAsciiLetter((char)b) || b is (byte)'-' or (byte)'_') || i >= 32)
            {
                return false;
            }
        }

        return true;
    }
}
