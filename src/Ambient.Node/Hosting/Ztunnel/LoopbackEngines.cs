using Ambient.Hbone;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Loopback;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Inbound;
using Ambient.Node.Sockets;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>Makes the engines and listeners of loopback mode: all workloads of the node share one network, and so one set of engines.</summary>
internal static class LoopbackEngines
{
    /// <summary>Makes the node; nothing is bound before it is started.</summary>
    public static INodeCapture Create(EngineParts parts, NodeSockets sockets, HboneClient tunnels)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(sockets);
        var delivery = new Delivery(sockets, parts.Time);
        var unredirected = new UnredirectedPlaintext(parts.Mesh, parts.NewPlaintext(delivery), parts.Time);
        return new LoopbackNode(parts.Options.Host.NodeName, new LoopbackServices
        {
            Mesh = parts.Mesh,
            Sockets = sockets,
            Socks5 = new Socks5Proxy(new LoopbackHostResolver(parts.Mesh, parts.NameRules), parts.Log, parts.Time),
            Outbound = parts.NewOutbound(tunnels, sockets, unredirected.TryTake),
            Uncaptured = new UncapturedProxy(parts.Mesh, sockets.Dialer, unredirected, parts.Connections, parts.Io),
            Hbone = parts.NewHbone(delivery).Create,
            Connections = parts.Connections,
            Metrics = parts.Metrics,
            Deadline = parts.Deadline,
            Time = parts.Time,
            Logger = parts.Loggers.CreateLogger("Capture"),
        });
    }
}
