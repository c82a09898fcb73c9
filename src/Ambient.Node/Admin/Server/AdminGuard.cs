using System.Net;

namespace Ambient.Node.Admin.Server;

/// <summary>
/// Keeps web pages away from the admin endpoint. It listens on loopback, but a browser on the same machine, or one that reaches it through
/// a forwarded port, sends requests for any page it shows: with a foreign <c>Origin</c>, or, after DNS rebinding, for a foreign <c>Host</c>.
/// </summary>
internal static class AdminGuard
{
    /// <summary>Why a request is refused, for the client; null when it is not.</summary>
    public static string? Refusal(AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);

        // Any port: istioctl and kubectl forward a port of their own choosing.
        if (request.Host is not { } host || !IsLoopback(host))
        {
            return "the Host of a request to the admin endpoint must be localhost or a loopback address";
        }

        if (request.Origin is { } origin && !origin.Equals($"http://{host}", StringComparison.OrdinalIgnoreCase))
        {
            return "a page of another origin may not use the admin endpoint";
        }

        // "none" means that a person typed the address, which no page can claim; but requests that change something are not typed.
        return request.FetchSite is null or "same-origin" || (request.FetchSite == "none" && request.Method is "GET" or "HEAD")
            ? null
            : "a page of another site may not use the admin endpoint";
    }

    private static bool IsLoopback(string host)
    {
        var name = host.AsSpan();
        if (name.StartsWith("["))
        {
            var end = name.IndexOf(']');
            return end > 0 && IsPort(name[(end + 1)..]) && IPAddress.TryParse(name[1..end], out var v6) && IPAddress.IsLoopback(v6);
        }

        if (name.IndexOf(':') is >= 0 and var colon)
        {
            if (!IsPort(name[colon..]))
            {
                return false;
            }

            name = name[..colon];
        }

        // RFC 6761 section 6.3: names below localhost are loopback, too.
        return name.Equals("localhost", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(name, out var v4) && IPAddress.IsLoopback(v4));
    }

    /// <summary>Nothing, or a colon and a number of 16 bits.</summary>
    private static bool IsPort(ReadOnlySpan<char> text) =>
        text.IsEmpty || (text[0] == ':' && ushort.TryParse(text[1..], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out _));
}
