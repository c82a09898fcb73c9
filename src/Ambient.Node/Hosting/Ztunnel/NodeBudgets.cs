using Ambient.Hbone.Admission;
using Ambient.Node.Connections;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>How many connections a node admits, over all of its workloads: of HBONE, and captured ones.</summary>
internal sealed class NodeBudgets(ZtunnelOptions options, ILogger logger, TimeProvider time)
{
    /// <summary>Connections and handshakes of HBONE.</summary>
    public ConnectionBudget Hbone { get; } = AdmissionLog.OfProcess(options.MaxConnections, options.MaxConnectionsPerPeer, logger, time);

    /// <summary>Captured connections.</summary>
    public ConnectionBudget Plain { get; } = AdmissionLog.Budget("captured", NodeSocketOptions.PlainLimits, static _ => null, logger, time);
}
