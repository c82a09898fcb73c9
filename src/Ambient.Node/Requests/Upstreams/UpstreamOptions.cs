using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Settings of connections to endpoints.</summary>
internal sealed record UpstreamOptions
{
    /// <summary>Time for a connection, tunnel included. Default 10 seconds, as MeshConfig's <c>connectTimeout</c>.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long an unused connection stays open. Default 60 seconds: shorter than the keep-alive of common servers, so
    /// that a request seldom meets a connection which is just being closed.
    /// </summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Tries in all of a request that meets connections which were closed while they idled, whatever its rule says of retries. Default 3.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>
    /// Upstreams that are kept before unused ones are let go. Default 2048. Clients choose the port of a workload that they
    /// address, so there may be as many as there are ports.
    /// </summary>
    public int MaxKept { get; init; } = 2048;

    /// <summary>
    /// How long a connection is used for new requests. Default 1 hour, so that what stands before the endpoints (addresses, load) is looked at anew.
    /// </summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Connections to one endpoint from one thread. Default 1024, as Envoy's. Requests beyond them wait.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Requests for which a connection is used; 0, the default: without end.</summary>
    public int MaxRequestsPerConnection { get; init; }

    /// <summary>Requests at a time on one HTTP/2 connection; 0, the default: as many as the endpoint admits.</summary>
    public int MaxConcurrentStreams { get; init; }

    /// <summary>PINGs on connections of HTTP/2; null, the default: every 30 s, and 20 s for the answer.</summary>
    public Http2KeepAlive? Http2KeepAlive { get; init; }

    /// <summary>Probes on silent connections that are not tunnels; null, the default: as the system has it.</summary>
    public TcpKeepAlive? KeepAlive { get; init; }
}
