using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Connections to the endpoints of one backend that has something to say of them: how many there may be, together and of all threads, how many requests
/// may wait for one, and how they are made. Counted without a lock.
/// </summary>
/// <param name="settings">What is said.</param>
/// <param name="defaults">What holds besides.</param>
internal sealed class BackendLimits(ConnectionPoolSettings settings, UpstreamOptions defaults)
{
    private int _open;
    private int _waiting;

    /// <summary>What is said.</summary>
    public ConnectionPoolSettings Settings => settings;

    /// <summary>Settings of the connections.</summary>
    public UpstreamOptions Options { get; } = defaults with
    {
        ConnectTimeout = settings.ConnectTimeout ?? defaults.ConnectTimeout,
        IdleTimeout = settings.IdleTimeout ?? defaults.IdleTimeout,
        Lifetime = settings.MaxConnectionDuration ?? defaults.Lifetime,
        MaxRequestsPerConnection = settings.MaxRequestsPerConnection ?? 0,
        MaxConcurrentStreams = settings.MaxConcurrentStreams ?? 0,
        KeepAlive = settings.KeepAlive,
        Http2KeepAlive = settings.Http2KeepAlive,
    };

    /// <summary>Connections, those being made included.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Requests that wait for a connection.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Counts a connection in that is about to be made; false: there are as many as there may be.</summary>
    /// <param name="isFirst">Whether the thread has none yet to this endpoint: it may always have one, or it could not serve at all (as Envoy's workers).</param>
    public bool TryOpen(bool isFirst)
    {
        if (Interlocked.Increment(ref _open) <= (settings.MaxConnections ?? int.MaxValue) || isFirst)
        {
            return true;
        }

        Interlocked.Decrement(ref _open);
        return false;
    }

    /// <summary>Counts a connection out that is closed, or could not be made.</summary>
    public void Close() => Interlocked.Decrement(ref _open);

    /// <summary>Counts a request in that waits for a connection; false: there are as many as there may be.</summary>
    public bool TryWait()
    {
        if (Interlocked.Increment(ref _waiting) <= (settings.MaxPendingRequests ?? int.MaxValue))
        {
            return true;
        }

        Interlocked.Decrement(ref _waiting);
        return false;
    }

    /// <summary>Counts a request out that has waited.</summary>
    public void EndWait() => Interlocked.Decrement(ref _waiting);
}
