using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Authorities;

/// <summary>Where a SPIFFE Workload API is (SPIFFE Workload Endpoint, section 4): a unix socket, or an address with a port.</summary>
/// <param name="Text">As it was written.</param>
/// <param name="EndPoint">What to connect to.</param>
internal sealed record WorkloadApiAddress(string Text, EndPoint EndPoint)
{
    // What sockaddr_un has room for, with the zero at the end.
    private const int LongestPath = 107;

    /// <summary>Reads <c>unix:///path</c> or <c>tcp://address:port</c>. Nothing but those two: no name to resolve, no query, no user.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out WorkloadApiAddress? address)
    {
        ArgumentNullException.ThrowIfNull(text);
        address = null;
        if (text.StartsWith("unix://", StringComparison.Ordinal))
        {
            var path = text["unix://".Length..];
            if (path.StartsWith('/') && path.Length > 1 && System.Text.Encoding.UTF8.GetByteCount(path) <= LongestPath && !path.AsSpan().ContainsAny('?', '#', '\0'))
            {
                address = new WorkloadApiAddress(text, new UnixDomainSocketEndPoint(path));
            }
        }
        else if (text.StartsWith("tcp://", StringComparison.Ordinal) && IPEndPoint.TryParse(text.AsSpan("tcp://".Length), out var endPoint) && endPoint.Port > 0)
        {
            address = new WorkloadApiAddress(text, endPoint);
        }

        return address is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => Text;
}
