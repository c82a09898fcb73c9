using System.Net;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Dedicated;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Sockets;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Diagnostics.AccessLog;
using Ambient.Node.Diagnostics.Logging;
using Ambient.Node.Diagnostics.Metrics;
using Ambient.Node.Discovery;
using Ambient.Node.Inbound;
using Ambient.Node.Lifetime;
using Ambient.Node.Outbound;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting;

/// <summary>
/// Makes the engines and listeners of a workload that has a network of its own: the one of dedicated mode, and each pod of a node. What all
/// of them share is given once; what depends on the network (sockets, and so the pool of tunnels) is each one's own.
/// </summary>
internal sealed class PodEngines
{
    /// <summary>Settings.</summary>
    public required ZtunnelOptions Options { get; init; }

    /// <summary>The mesh.</summary>
    public required MeshStore Mesh { get; init; }

    /// <summary>Who is asked for what the mesh does not know; null where it knows everything.</summary>
    public required IMeshDemand? Demand { get; init; }

    /// <summary>Certificates.</summary>
    public required SvidCache Svids { get; init; }

    /// <summary>Who is revoked; null: nobody is asked.</summary>
    public required PeerRevocation? Revocation { get; init; }

    /// <summary>Open connections.</summary>
    public required ConnectionTable Connections { get; init; }

    /// <summary>Ports of ours.</summary>
    public required ReservedPorts Reserved { get; init; }

    /// <summary>Asks policy about what comes in.</summary>
    public required InboundAuthorizer Authorizer { get; init; }

    /// <summary>How tunnels are delivered.</summary>
    public required InboundOptions Inbound { get; init; }

    /// <summary>Access log.</summary>
    public required ConnectionLog Log { get; init; }

    /// <summary>Metrics.</summary>
    public required TcpMetrics Metrics { get; init; }

    /// <summary>Addresses of workloads that have a name only.</summary>
    public required OnDemandDns Names { get; init; }

    /// <summary>Answers for names; null when DNS is off.</summary>
    public required DnsProxy? Dns { get; init; }

    /// <summary>Who is asked for names that are not the mesh's.</summary>
    public required ResolverConfig Resolver { get; init; }

    /// <summary>Logs.</summary>
    public required HostLoggerFactory Loggers { get; init; }

    /// <summary>Cancelled at the drain's deadline.</summary>
    public required CancellationToken Deadline { get; init; }

    /// <summary>Clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Binds the listeners of a workload; nothing is accepted before they are started.</summary>
    /// <exception cref="IOException">A port cannot be had.</exception>
    public INodeCapture Create(LocalWorkload local, NodeSockets sockets)
    {
        var forwarder = new DnsForwarder(Resolver.Servers, sockets, Time);
        if (!Options.Proxy)
        {
            return new DnsNode(CreateDns(local, sockets, forwarder) ?? throw new InvalidOperationException("neither traffic nor names: there is nothing to do"));
        }

        var client = new HboneClient(HboneOptions.OfClient(Options, sockets, Revocation), Svids, Time);
        var delivery = new Delivery(sockets, Time);
        var inbound = new InboundProxy(Mesh, delivery, Connections, Reserved, Authorizer, Inbound, Time, Demand);
        try
        {
            return new DedicatedNode(new DedicatedServices
            {
                Local = local,
                Sockets = sockets,
                Socks5 = Options.Socks5 ? new Socks5Proxy(Dns is null ? null : new DnsHostResolver(Dns, forwarder), Log, Time) : null,
                Outbound = new OutboundProxy(Mesh, client, sockets.Dialer, Connections, Reserved, Time, takePlaintext: null, Options.ResponseBaggage, Names, Demand, Options.Host.Network),
                Plaintext = new PlaintextProxy(Mesh, delivery, Connections, Reserved, Authorizer, Inbound, Demand),
                Hbone = new HboneListeners(Options, Svids, Revocation, inbound, Log, Metrics, Time).Create,
                Dns = () => CreateDns(local, sockets, forwarder),
                Tunnels = client,
                Connections = Connections,
                Metrics = Metrics,
                Deadline = Deadline,
                Time = Time,
                Logger = Loggers.CreateLogger("Capture"),
            });
        }
        catch
        {
            // Nothing was dialled yet: there is nothing to wait for.
            _ = client.DisposeAsync().AsTask();
            throw;
        }
    }

    private DnsListener? CreateDns(LocalWorkload local, NodeSockets sockets, DnsForwarder forwarder)
    {
        if (Dns is null)
        {
            return null;
        }

        IPEndPoint[] addresses = Options.DnsAddress is { } address
            ? [address]
            : [.. sockets.Localhost().Select(localhost => new IPEndPoint(localhost, ZtunnelOptions.DnsPort))];
        return new DnsListener(Dns, forwarder, local, sockets, addresses, Time, Loggers.CreateLogger("dns"));
    }

    /// <summary>Listens for the ztunnel's own pod.</summary>
    /// <exception cref="IOException">The port cannot be had.</exception>
    public SelfListener CreateSelf(LocalWorkload self)
    {
        var sockets = new NodeSockets(
            new NodeSocketOptions { OriginalSource = OriginalSource.Off, IPv6Enabled = Options.Host.IPv6Enabled }, Loggers.CreateLogger("Sockets"));
        var inbound = new InboundProxy(Mesh, new Delivery(sockets, Time), Connections, Reserved, Authorizer, Inbound, Time, Demand);
        return new SelfListener(new HboneListeners(Options, Svids, Revocation, inbound, Log, Metrics, Time), sockets, self);
    }
}
