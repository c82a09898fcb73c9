using System.Net;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Redirected;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Connections;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Inbound;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>
/// Makes the engines and listeners of a workload that has a network of its own: the one of dedicated mode, and each pod of a node. What
/// depends on the network (sockets, and so the pool of tunnels) is each one's own.
/// </summary>
internal sealed class PodEngines(EngineParts parts)
{
    /// <summary>Binds the listeners of a workload; nothing is accepted before they are started.</summary>
    /// <exception cref="IOException">A port cannot be had.</exception>
    public INodeCapture Create(LocalWorkload local, NodeSockets sockets)
    {
        var forwarder = new DnsForwarder(parts.Resolver.Servers, sockets, parts.Time);
        if (!parts.Options.Proxy)
        {
            return new DnsNode(CreateDns(local, sockets, forwarder) ?? throw new InvalidOperationException("neither traffic nor names: there is nothing to do"));
        }

        var tunnels = parts.NewTunnels(sockets);
        var delivery = new Delivery(sockets, parts.Time);
        try
        {
            return new DedicatedNode(new DedicatedServices
            {
                Local = local,
                Sockets = sockets,
                Socks5 = parts.Options.Socks5 ? new Socks5Proxy(parts.Dns is { } dns ? new DnsHostResolver(dns, forwarder) : null, parts.Log, parts.Time) : null,
                Outbound = parts.NewOutbound(tunnels, sockets),
                Plaintext = parts.NewPlaintext(delivery),
                Hbone = parts.NewHbone(delivery).Create,
                Dns = () => CreateDns(local, sockets, forwarder),
                Tunnels = tunnels,
                Connections = parts.Connections,
                Metrics = parts.Metrics,
                Deadline = parts.Deadline,
                Time = parts.Time,
                Logger = parts.Loggers.CreateLogger("Capture"),
            });
        }
        catch
        {
            // Nothing was dialled yet: there is nothing to wait for.
            _ = tunnels.DisposeAsync().AsTask();
            throw;
        }
    }

    /// <summary>Listens for the ztunnel's own pod.</summary>
    /// <exception cref="IOException">The port cannot be had.</exception>
    public SelfListener CreateSelf(LocalWorkload self)
    {
        var sockets = new NodeSockets(
            new NodeSocketOptions { Io = parts.Io, OriginalSource = OriginalSource.Off, IPv6Enabled = parts.Options.Host.IPv6Enabled }, parts.Loggers.CreateLogger("Sockets"));
        return new SelfListener(parts.NewHbone(new Delivery(sockets, parts.Time)), sockets, self);
    }

    private DnsListener? CreateDns(LocalWorkload local, NodeSockets sockets, DnsForwarder forwarder)
    {
        if (parts.Dns is null)
        {
            return null;
        }

        IPEndPoint[] addresses = parts.Options.DnsAddress is { } address
            ? [address]
            : [.. sockets.Localhost().Select(localhost => new IPEndPoint(localhost, ZtunnelOptions.DnsPort))];
        return new DnsListener(parts.Dns, forwarder, local, sockets, addresses, parts.Time, parts.Loggers.CreateLogger("dns"));
    }
}
