using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Ambient.Node.Requests;

/// <summary>
/// Whether a request can be sent on exactly as policies and routes judge it. The client below us writes known methods in capitals and
/// always sends a Host, and RFC 9110 section 7.6.1 has us remove every field that <c>Connection</c> names: a request that such a change
/// would turn into another one is refused.
/// </summary>
internal static class RequestForm
{
    // Fields that are for every recipient (RFC 9110 section 7.6.1 forbids naming those), and those that proxies of the mesh write or read.
    private static readonly HashSet<string> s_endToEnd = new(StringComparer.OrdinalIgnoreCase)
    {
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "authorization", "proxy-authorization", "cookie", "cache-control",
        "forwarded", "via", "x-request-id", "traceparent", "tracestate", "baggage", "b3", "user-agent", "origin", "expect",
    };

    private static readonly string[] s_endToEndPrefixes = ["x-forwarded-", "x-envoy-", "x-b3-", "x-real-", "grpc-", ":"];

    /// <summary>Whether the method is one that our client, or ASP.NET, takes for another: <c>delete</c> is sent as <c>DELETE</c>.</summary>
    public static bool ChangesMethod(string method) =>
        HttpMethods.GetCanonicalizedValue(method) != method || HttpMethod.Parse(method).Method != method;

    /// <summary>
    /// The method that policies and routes are asked about. A WebSocket over HTTP/2 (RFC 8441) is a CONNECT only on its way: the endpoint
    /// gets the GET that it stands for.
    /// </summary>
    public static string MethodOf(HttpContext http) =>
        HttpMethods.IsConnect(http.Request.Method)
        && "websocket".Equals(http.Features.Get<IHttpExtendedConnectFeature>()?.Protocol, StringComparison.OrdinalIgnoreCase)
            ? HttpMethods.Get
            : http.Request.Method;

    /// <summary>The fields that <c>Connection</c> names, or null when it names none beyond the usual ones.</summary>
    public static string[]? NamedByConnection(StringValues connection)
    {
        // Nearly every client sends nothing, keep-alive or close: no list is made for those.
        if (connection.Count == 0
            || (connection.Count == 1 && connection[0] is { } one
                && (one.Equals("keep-alive", StringComparison.OrdinalIgnoreCase) || one.Equals("close", StringComparison.OrdinalIgnoreCase)
                    || one.Equals("upgrade", StringComparison.OrdinalIgnoreCase))))
        {
            return null;
        }

        return connection.ToString().Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    /// <summary>Whether a list of names has one, whatever its case.</summary>
    public static bool Names(string[]? names, string name) =>
        names is not null && Array.Exists(names, other => other.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The first of the named fields that <c>Connection</c> must not take away, or null.</summary>
    public static string? FirstEndToEnd(string[]? named) => named is null ? null : Array.Find(
        named, name => s_endToEnd.Contains(name) || Array.Exists(s_endToEndPrefixes, prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)));
}
