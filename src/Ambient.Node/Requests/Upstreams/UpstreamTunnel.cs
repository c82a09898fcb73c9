using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Asks a proxy for a tunnel by HTTP/1.1 (RFC 9110 section 9.3.6).</summary>
internal static class UpstreamTunnel
{
    // A head of an answer to CONNECT has a status and little else.
    private const int MostBytes = 8 * 1024;

    /// <summary>Asks, and takes the answer to its end and no further: what follows is what the tunnel carries.</summary>
    /// <exception cref="IOException">The proxy refuses, or says what is no answer.</exception>
    public static async ValueTask OpenAsync(MessageChannel channel, ProxyTunnel tunnel, CancellationToken cancellationToken)
    {
        if (tunnel.Protocol != "CONNECT")
        {
            throw new IOException($"a tunnel by {tunnel.Protocol} is not supported");
        }

        var host = tunnel.Host.Contains(':', StringComparison.Ordinal) && tunnel.Host[0] != '[' ? $"[{tunnel.Host}]" : tunnel.Host;
        var authority = FormattableString.Invariant($"{host}:{tunnel.Port}");
        await channel.SendFirstAsync(Encoding.ASCII.GetBytes($"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"), cancellationToken).ConfigureAwait(false);
        var seen = 0;
        while (true)
        {
            var head = await channel.PeekAsync(MostBytes, cancellationToken).ConfigureAwait(false);
            if (head.Span.IndexOf("\r\n\r\n"u8) is var end and >= 0)
            {
                if (!IsGranted(head.Span[..end], out var status))
                {
                    throw new IOException($"the proxy answered CONNECT {authority} with {status}");
                }

                channel.Take(end + 4);
                return;
            }

            if (head.Length == seen)
            {
                throw new IOException(head.Length == MostBytes ? $"the proxy's answer to CONNECT {authority} is longer than {MostBytes} bytes" : $"the proxy closed instead of answering CONNECT {authority}");
            }

            seen = head.Length;
        }
    }

    private static bool IsGranted(ReadOnlySpan<byte> head, out string status)
    {
        var line = Encoding.ASCII.GetString(head.IndexOf((byte)'\r') is var end and >= 0 ? head[..end] : head);
        status = line.Length > 12 ? line[..12] : line;
        return line.Length >= 12 && (line.StartsWith("HTTP/1.1 2", StringComparison.Ordinal) || line.StartsWith("HTTP/1.0 2", StringComparison.Ordinal))
            && char.IsAsciiDigit(line[10]) && char.IsAsciiDigit(line[11]) && (line.Length == 12 || line[12] == ' ');
    }
}
