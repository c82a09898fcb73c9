using Ambient.Hbone;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Sockets;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>A ztunnel's settings as its parts want them.</summary>
internal static class HboneOptions
{
    /// <summary>How tunnels are dialled.</summary>
    public static HboneClientOptions OfClient(ZtunnelOptions options, NodeSockets sockets, PeerRevocation? revocation, HboneIo io) => new()
    {
        StreamWindowSize = options.StreamWindowSize,
        ConnectionWindowSize = options.ConnectionWindowSize,
        MaxFrameSize = options.FrameSize,
        MaxStreamsPerConnection = options.PoolMaxStreams,
        UnusedReleaseTimeout = options.PoolUnusedReleaseTimeout,
        Io = io,
        Connector = sockets.Dialer,
        Revocation = revocation,
    };

    /// <summary>How sockets are made.</summary>
    public static NodeSocketOptions OfSockets(ZtunnelOptions options, ConnectionBudget budget, HboneIo io) => new()
    {
        Io = io,
        Budget = budget,
        PacketMark = options.PacketMark,
        ReusePort = options.Mode == ZtunnelMode.Shared && options.InPodPortReuse,
        IPv6Enabled = options.Host.IPv6Enabled,
        OriginalSource = options.EnableOriginalSource switch
        {
            false => OriginalSource.Off,
            _ when options.Mode == ZtunnelMode.Loopback => OriginalSource.Loopback,
            true => OriginalSource.Required,
            null => OriginalSource.BestEffort,
        },
        KeepAlive = options.KeepAlive,
        KeepAliveTime = options.KeepAliveTime,
        KeepAliveInterval = options.KeepAliveInterval,
        KeepAliveRetries = options.KeepAliveRetries,
        UserTimeout = options.UserTimeout,
    };
}
