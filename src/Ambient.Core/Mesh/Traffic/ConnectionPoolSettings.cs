namespace Ambient.Mesh;

/// <summary>Connections to endpoints, and how many requests there may be. Null: no limit, or the proxy's own time.</summary>
public sealed record ConnectionPoolSettings
{
    /// <summary>Connections to all endpoints together. Each thread may have one to each endpoint in any case.</summary>
    public int? MaxConnections { get; init; }

    /// <summary>Time for a connection.</summary>
    public TimeSpan? ConnectTimeout { get; init; }

    /// <summary>How long a connection may be used.</summary>
    public TimeSpan? MaxConnectionDuration { get; init; }

    /// <summary>How long a connection of an opaque protocol may be silent.</summary>
    public TimeSpan? TcpIdleTimeout { get; init; }

    /// <summary>Probes on a silent connection, where it is not a tunnel.</summary>
    public TcpKeepAlive? KeepAlive { get; init; }

    /// <summary>PINGs on a connection of HTTP/2; null: as the proxy has it.</summary>
    public Http2KeepAlive? Http2KeepAlive { get; init; }

    /// <summary>Requests that may wait for a connection.</summary>
    public int? MaxPendingRequests { get; init; }

    /// <summary>Requests that may be under way.</summary>
    public int? MaxRequests { get; init; }

    /// <summary>Requests for which a connection is used; 1 makes one for each. Null or 0: without end.</summary>
    public int? MaxRequestsPerConnection { get; init; }

    /// <summary>Requests that may be under way again, where there is no <see cref="RetryBudget"/>.</summary>
    public int? MaxRetries { get; init; }

    /// <summary>How long an unused connection stays open.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>Requests at a time on one HTTP/2 connection. Null or 0: as many as the endpoint admits.</summary>
    public int? MaxConcurrentStreams { get; init; }

    /// <summary>Whether endpoints are spoken to in HTTP/2 although their port does not say so.</summary>
    public bool UpgradesToHttp2 { get; init; }

    /// <summary>Whether the mesh's word for <see cref="UpgradesToHttp2"/> does not count.</summary>
    public bool KeepsHttp1 { get; init; }

    /// <summary>Whether endpoints are spoken to in the version that the client speaks.</summary>
    public bool UsesClientProtocol { get; init; }
}

/// <summary>PINGs on a connection (RFC 9113 section 6.7). Null: as the proxy has it.</summary>
/// <param name="Interval">Time between two, 1 s at least.</param>
/// <param name="Timeout">How long an answer may take before the connection is given up.</param>
public sealed record Http2KeepAlive(TimeSpan? Interval, TimeSpan? Timeout);

/// <summary>Probes on a silent connection (RFC 9293 section 3.8.4). Null: as the system has it.</summary>
/// <param name="Time">Silence before the first.</param>
/// <param name="Interval">Time between two.</param>
/// <param name="Probes">How many stay unanswered before the connection is given up.</param>
public sealed record TcpKeepAlive(TimeSpan? Time, TimeSpan? Interval, int? Probes);
