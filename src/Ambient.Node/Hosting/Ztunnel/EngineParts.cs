using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Inbound;
using Ambient.Node.Outbound;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>What the engines of all workloads of a node have in common.</summary>
internal sealed record EngineParts
{
    /// <summary>The threads that move the bytes.</summary>
    public required HboneIo Io { get; init; }

    /// <summary>Settings.</summary>
    public required ZtunnelOptions Options { get; init; }

    /// <summary>The mesh.</summary>
    public required MeshStore Mesh { get; init; }

    /// <summary>Who is asked for what the mesh does not know; null where it knows everything.</summary>
    public required IMeshDemand? Demand { get; init; }

    /// <summary>Certificates.</summary>
    public required ISvidSource Svids { get; init; }

    /// <summary>Who is revoked; null: nobody is asked.</summary>
    public required PeerRevocation? Revocation { get; init; }

    /// <summary>Open connections.</summary>
    public required ConnectionTable Connections { get; init; }

    /// <summary>Ports of ours.</summary>
    public required ReservedPorts Reserved { get; init; }

    /// <summary>Asks policy about what comes in.</summary>
    public required InboundAuthorizer Authorizer { get; init; }

    /// <summary>How tunnels are delivered.</summary>
    public required InboundOptions InboundOptions { get; init; }

    /// <summary>Access log.</summary>
    public required ConnectionLog Log { get; init; }

    /// <summary>Metrics.</summary>
    public required TcpMetrics Metrics { get; init; }

    /// <summary>Connections that went past an idle waypoint; its metric is there from the first of them on.</summary>
    public required Lazy<Counter> SkippedWaypoints { get; init; }

    /// <summary>Addresses of workloads that have a name only.</summary>
    public required OnDemandDns OnDemandNames { get; init; }

    /// <summary>What names mean.</summary>
    public required NameRules NameRules { get; init; }

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

    /// <summary>How many connections the node admits.</summary>
    public required NodeBudgets Budgets { get; init; }

    /// <summary>Makes sockets, in a network or in the process's own.</summary>
    public NodeSockets NewSockets(PodNamespace? network = null) => new(HboneOptions.OfSockets(Options, Budgets.Plain, Io), Loggers.CreateLogger("Sockets"), network);

    /// <summary>Makes the pool of tunnels that are dialled from a network.</summary>
    public HboneClient NewTunnels(NodeSockets sockets) => new(HboneOptions.OfClient(Options, sockets, Revocation, Io), Svids, Time);

    /// <summary>Makes the engine for what workloads call.</summary>
    public OutboundProxy NewOutbound(HboneClient tunnels, NodeSockets sockets, TakePlaintext? takePlaintext = null) => new(
        Mesh, tunnels, sockets.Dialer, Connections, Reserved, Time, takePlaintext, Options.ResponseBaggage, OnDemandNames, Demand, Options.Host.Network, Io, SkippedWaypoints);

    /// <summary>Makes the engine for plaintext to workloads.</summary>
    public PlaintextProxy NewPlaintext(Delivery delivery) => new(Mesh, delivery, Connections, Reserved, Authorizer, InboundOptions, Demand);

    /// <summary>Makes what listens for tunnels to workloads, and carries them.</summary>
    public HboneListeners NewHbone(Delivery delivery) => new(
        Options, Io, Budgets.Hbone, Svids, Revocation, new InboundProxy(Mesh, delivery, Connections, Reserved, Authorizer, InboundOptions, Time, Demand), Log, Metrics, Time);
}
