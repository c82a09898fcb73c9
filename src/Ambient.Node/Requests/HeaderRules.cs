using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Requests;

/// <summary>Which headers of a request are added, kept and removed on the way to the endpoint (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers, and RFC 9110 section 7.6.1).</summary>
internal abstract class HeaderRules
{
    /// <summary>What <c>server</c> says in every answer, so that dashboards and tests find it.</summary>
    public const string Server = "istio-envoy";

    /// <summary>Counts the tries of a request.</summary>
    public const string AttemptCount = "x-envoy-attempt-count";

    /// <summary>Milliseconds that the endpoint took to answer.</summary>
    public const string UpstreamServiceTime = "x-envoy-upstream-service-time";

    /// <summary>Ties the hops of one request together.</summary>
    protected const string RequestId = "x-request-id";

    /// <summary>Scheme that the first client used.</summary>
    protected const string ForwardedProto = "x-forwarded-proto";

    /// <summary>Clients and proxies that a request has passed.</summary>
    protected const string ForwardedFor = "x-forwarded-for";

    /// <summary>Identity that a proxy vouches for: never believed from a client.</summary>
    protected const string ForwardedClientCert = "x-forwarded-client-cert";

    /// <summary>Whether a header of the client stays behind.</summary>
    public abstract bool Drops(string name, in RequestArrival arrival);

    /// <summary>Adds what the proxy says itself, after the client's headers were copied. Returns the request id that is sent.</summary>
    public abstract string Apply(HttpRequest request, in RequestArrival arrival, HttpRequestHeaders outgoing);

    /// <summary>Whether a header concerns only one hop (RFC 9110 7.6.1).</summary>
    public static bool IsHopByHop(string name) => name.Length switch
    {
        2 => name.Equals("TE", StringComparison.OrdinalIgnoreCase),
        7 => name.Equals("Upgrade", StringComparison.OrdinalIgnoreCase),
        10 => name.Equals("Connection", StringComparison.OrdinalIgnoreCase) || name.Equals("Keep-Alive", StringComparison.OrdinalIgnoreCase),
        14 => name.Equals("HTTP2-Settings", StringComparison.OrdinalIgnoreCase),
        16 => name.Equals("Proxy-Connection", StringComparison.OrdinalIgnoreCase),
        17 => name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    /// <summary>A new request id.</summary>
    protected static string NewRequestId() => Guid.NewGuid().ToString();
}
