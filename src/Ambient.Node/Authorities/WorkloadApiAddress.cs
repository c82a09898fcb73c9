using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Authorities;

/// <summary>Where a SPIFFE Workload API is (SPIFFE Workload Endpoint, section 4): a unix socket, or an address with a port.</summary>
/// <param name="Text">As it was written.</param>
/// <param name="EndPoint">What to connect to.</param>
internal sealed record WorkloadApiAddress(string Text, EndPoint EndPoint)
{
    // What fits into sockaddr_un, including the terminating zero.
    private const int LongestPath = 107;
    private const string Unix = "unix:";
    private const string Tcp = "tcp:";

    /// <summary>Whether traffic to this address can be seen on a network.</summary>
    public bool LeavesTheMachine => EndPoint is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address);

    /// <summary>
    /// Reads <c>unix:///path</c>, <c>unix:/path</c> or <c>tcp://address:port</c>, or says what is wrong. Nothing else that a URI may
    /// contain is accepted: no host name, no user, no query.
    /// </summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out WorkloadApiAddress? address, [NotNullWhen(false)] out string? fault)
    {
        ArgumentNullException.ThrowIfNull(text);
        EndPoint? endPoint = null;
        fault = "it is neither unix:///path nor tcp://address:port";
        if (text.StartsWith(Unix, StringComparison.OrdinalIgnoreCase))
        {
            fault = PathFault(text[Unix.Length..], out var path);
            endPoint = fault is null ? new UnixDomainSocketEndPoint(path) : null;
        }
        else if (text.StartsWith(Tcp, StringComparison.OrdinalIgnoreCase))
        {
            fault = AddressFault(text[Tcp.Length..], out endPoint);
        }

        address = endPoint is null ? null : new WorkloadApiAddress(text, endPoint);
        return address is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static string? PathFault(string rest, out string path)
    {
        path = rest;
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            path = rest[2..];
        }

        if (!path.StartsWith('/'))
        {
            return "the path of its socket is not absolute: unix:///path has three slashes";
        }

        if (path.AsSpan().ContainsAny('?', '#'))
        {
            return "a socket has no query and no fragment";
        }

        path = Uri.UnescapeDataString(path);
        if (path.Contains('\0', StringComparison.Ordinal) || path.EndsWith('/'))
        {
            return "its path is no file's";
        }

        return Encoding.UTF8.GetByteCount(path) > LongestPath ? $"the path of its socket is longer than {LongestPath} bytes" : null;
    }

    private static string? AddressFault(string rest, out EndPoint? endPoint)
    {
        endPoint = null;
        if (!rest.StartsWith("//", StringComparison.Ordinal) || !IPEndPoint.TryParse(rest.AsSpan(2), out var parsed) || parsed.Port == 0)
        {
            return "tcp:// takes an IP address (no name) and a port, and nothing after them";
        }

        endPoint = parsed;
        return null;
    }
}
