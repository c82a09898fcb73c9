using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Connections;
using Ambient.Node.Outbound;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Loopback;

/// <summary>What the listeners of loopback workloads share.</summary>
internal sealed record LoopbackServices
{
    /// <summary>The mesh.</summary>
    public required IMeshSnapshotProvider Mesh { get; init; }

    /// <summary>Makes sockets.</summary>
    public required NodeSockets Sockets { get; init; }

    /// <summary>Reads SOCKS5 requests.</summary>
    public required Socks5Proxy Socks5 { get; init; }

    /// <summary>Carries what workloads in the mesh call.</summary>
    public required OutboundProxy Outbound { get; init; }

    /// <summary>Carries what other workloads call.</summary>
    public required UncapturedProxy Uncaptured { get; init; }

    /// <summary>Makes an HBONE listener for a workload on a bound socket; the last argument is what its connections end with.</summary>
    public required Func<Socket, LocalWorkload, object, HboneListener> Hbone { get; init; }

    /// <summary>Open connections.</summary>
    public required ConnectionTable Connections { get; init; }

    /// <summary>Counts accepted sockets.</summary>
    public required TcpMetrics Metrics { get; init; }

    /// <summary>Cancelled at the drain deadline.</summary>
    public required CancellationToken Deadline { get; init; }

    /// <summary>Clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Log.</summary>
    public required ILogger Logger { get; init; }
}
