using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Sockets;

/// <summary>How a node's sockets are set up. Immutable.</summary>
internal sealed class NodeSocketOptions
{
    /// <summary>Whose threads move the bytes; null: those that everybody shares.</summary>
    public HboneIo? Io { get; init; }

    /// <summary>SO_MARK of every socket, so that redirection rules leave ztunnel's own traffic alone; null: none. Needs CAP_NET_ADMIN.</summary>
    public int? PacketMark { get; init; }

    /// <summary>Whether several processes may listen on a port (SO_REUSEPORT), so that a new ztunnel is up before the old one goes.</summary>
    public bool ReusePort { get; init; }

    /// <summary>Whether wildcard listeners listen on IPv6 as well.</summary>
    public bool IPv6Enabled { get; init; } = true;

    /// <summary>What accepted connections count against; null: a budget of the sockets' own, with <see cref="PlainLimits"/>.</summary>
    public ConnectionBudget? Budget { get; init; }

    /// <summary>
    /// Bounds on captured connections, which hold a few KB each and come from the node's own pods or, unauthenticated, from elsewhere.
    /// </summary>
    public static ConnectionLimits PlainLimits { get; } = new() { MaxConnections = 65_536, MaxConnectionsPerAddress = 32_768 };

    /// <summary>Whether delivered connections come from the client's address.</summary>
    public OriginalSource OriginalSource { get; init; }

    /// <summary>Whether TCP keepalive is on.</summary>
    public bool KeepAlive { get; init; } = true;

    /// <summary>Idle time before the first probe.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>Time between probes.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>Unanswered probes after which a connection is dead.</summary>
    public int KeepAliveRetries { get; init; } = 9;

    /// <summary>Whether unacknowledged data kills a connection as soon as keepalive would (TCP_USER_TIMEOUT).</summary>
    public bool UserTimeout { get; init; }
}

/// <summary>Whether connections to a workload come from the client's address instead of ztunnel's (<c>ENABLE_ORIG_SRC</c>).</summary>
internal enum OriginalSource
{
    /// <summary>When the kernel lets us.</summary>
    BestEffort,

    /// <summary>Always: not being allowed is an error at start.</summary>
    Required,

    /// <summary>Never.</summary>
    Off,

    /// <summary>
    /// By binding alone, without IP_TRANSPARENT: on loopback every process may bind every address.
    /// </summary>
    Loopback,
}
