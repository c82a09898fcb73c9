using System.Buffers;
using System.Net;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The client's address in X-Forwarded-For. Every proxy adds, on the right, the address that a request came to it from; so with <c>n</c> trusted
/// proxies in front of us the n-th address from the right is what the first of them saw, and whatever stands to the left of it anybody may
/// have written (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-for).
/// </summary>
public static class ForwardedFor
{
    private static readonly SearchValues<char> s_ipv4 = SearchValues.Create("0123456789.");

    /// <summary>The address that stands at a place; null where there are not as many, or none that can be read.</summary>
    /// <param name="header">Value of the header, several joined with commas; null: there is none.</param>
    /// <param name="fromTheRight">The place: 1 is the last.</param>
    public static IPAddress? Find(string? header, int fromTheRight)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(fromTheRight, 1);
        var rest = header.AsSpan();
        while (true)
        {
            var comma = rest.LastIndexOf(',');
            if (fromTheRight-- == 1)
            {
                return Parse(rest[(comma + 1)..].Trim(" \t"));
            }

            if (comma < 0)
            {
                return null;
            }

            rest = rest[..comma];
        }
    }

    // Not the old forms of IPv4 with fewer parts or other bases: the next one may read them otherwise.
    private static IPAddress? Parse(ReadOnlySpan<char> text) =>
        (text.Contains(':') ? !text.Contains('[') : text.Count('.') == 3 && !text.ContainsAnyExcept(s_ipv4)) && IPAddress.TryParse(text, out var address)
            ? address
            : null;
}
