using System.Globalization;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// Which headers a proxy takes out of a request and adds to it, on the way to the endpoint
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers).
/// </summary>
internal abstract class HeaderRules
{
    /// <summary>What <c>server</c> says in every answer, so that dashboards and tests find it.</summary>
    public const string Server = ProxyHeaders.DefaultServer;

    /// <summary>Counts the tries of a request.</summary>
    public const string AttemptCount = "x-envoy-attempt-count";

    /// <summary>Milliseconds that the endpoint took to answer.</summary>
    public const string UpstreamServiceTime = "x-envoy-upstream-service-time";

    /// <summary>Ties the hops of one request together.</summary>
    protected const string RequestId = "x-request-id";

    /// <summary>Scheme that the first client used.</summary>
    protected const string ForwardedProto = "x-forwarded-proto";

    /// <summary>Clients and proxies that a request has passed.</summary>
    public const string ForwardedFor = "x-forwarded-for";

    /// <summary>Identity that a proxy vouches for: never believed from a client.</summary>
    protected const string ForwardedClientCert = "x-forwarded-client-cert";

    /// <summary>Takes out of a request what nobody may believe of its client, before policies and authorizers look at it.</summary>
    public static void Sanitize(RequestHead head) => head.Fields.Remove(ForwardedClientCert);

    /// <summary>Says who answers, where the proxy does.</summary>
    public static void SetServer(HttpFields fields, ProxyHeaders headers)
    {
        if (headers.Server != false)
        {
            fields.Set("server", headers.ServerName ?? Server);
        }
    }

    /// <summary>Tells the endpoint which port the client asked for, where that is wanted.</summary>
    protected static void SetForwardedPort(RequestHead head, in RequestArrival arrival)
    {
        if (arrival.Place?.Headers.ForwardedPort == true)
        {
            head.Fields.Set("x-forwarded-port", arrival.Destination.Port.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>The client's request id where it sent one; where it sent none, one that is made and sent; null where that is not wanted.</summary>
    protected static string? KeepRequestId(RequestHead head, in RequestArrival arrival)
    {
        if (head.Fields.Get(RequestId) is { Length: > 0 } known)
        {
            return known;
        }

        return arrival.Place?.Headers.RequestId == false ? null : SetRequestId(head);
    }

    /// <summary>Makes a request id, and puts it in place of the client's.</summary>
    protected static string SetRequestId(RequestHead head)
    {
        var id = NewRequestId();
        head.Fields.Set(RequestId, id);
        return id;
    }

    /// <summary>Edits a request that was let in. Returns the request id that is sent; null: none.</summary>
    public abstract string? Apply(RequestHead head, in RequestArrival arrival);

    /// <summary>
    /// A new request id: a random UUID (RFC 9562 section 5.4). It identifies and protects nothing, so it does not ask the system for randomness each time.
    /// </summary>
    private static string NewRequestId()
    {
        Span<byte> bytes = stackalloc byte[16];
        Random.Shared.NextBytes(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }
}
