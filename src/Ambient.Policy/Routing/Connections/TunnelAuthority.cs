using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Ambient.Policy.Routing.Connections;

/// <summary>
/// The <c>:authority</c> of a CONNECT: an address or a host name, always with a port (RFC 9113 section 8.5).
/// </summary>
public sealed record TunnelAuthority
{
    /// <summary>Longest host name (RFC 1035 section 2.3.4).</summary>
    private const int MaxHostLength = 253;

    private TunnelAuthority(IPEndPoint? address, string host, int port)
    {
        Address = address;
        Host = host;
        Port = port;
    }

    /// <summary>The authority as an address; null when it is a host name.</summary>
    public IPEndPoint? Address { get; }

    /// <summary>The host as written, without brackets.</summary>
    public string Host { get; }

    /// <summary>The port, 0 to 65535.</summary>
    public int Port { get; }

    /// <summary>Reads an authority: <c>10.0.0.1:80</c>, <c>[::1]:80</c>, <c>reviews.default.svc.cluster.local:80</c>.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out TunnelAuthority? authority)
    {
        authority = null;
        if (text is null || text.LastIndexOf(':') is var colon && colon <= 0
            || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return false;
        }

        var host = text[..colon];
        if (host[0] == '[')
        {
            if (host[^1] != ']' || host.Contains('%', StringComparison.Ordinal) || !IPAddress.TryParse(host.AsSpan(1, host.Length - 2), out var v6))
            {
                return false;
            }

            authority = new TunnelAuthority(new IPEndPoint(v6.IsIPv4MappedToIPv6 ? v6.MapToIPv4() : v6, port), host[1..^1], port);
            return true;
        }

        if (IsDottedQuad(host) && IPAddress.TryParse(host, out var v4))
        {
            authority = new TunnelAuthority(new IPEndPoint(v4, port), host, port);
            return true;
        }

        if (host.Length > MaxHostLength || !host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
        {
            return false;
        }

        authority = new TunnelAuthority(null, host, port);
        return true;
    }

    /// <summary>Four decimal numbers. The address parser also takes 10.1 and 0x7f000001, which are host names here.</summary>
    private static bool IsDottedQuad(string host)
    {
        var parts = host.Split('.');
        return parts.Length == 4
            && parts.All(part => byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _) && (part.Length == 1 || part[0] != '0'));
    }
}
