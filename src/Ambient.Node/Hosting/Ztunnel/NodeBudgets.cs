using Ambient.Hbone.Admission;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>How many connections a node admits, over all of its workloads: of HBONE, and captured ones.</summary>
internal sealed partial class NodeBudgets
{
    public NodeBudgets(ZtunnelOptions options, ILogger logger, TimeProvider time)
    {
        var limits = new ConnectionLimits { MaxConnections = options.MaxConnections, MaxConnectionsPerAddress = options.MaxConnectionsPerPeer };
        Hbone = new ConnectionBudget(limits, time) { Refused = refusal => LogRefused(logger, "HBONE", refusal.Reason, refusal.Count, refusal.Total) };
        Plain = new ConnectionBudget(NodeSocketOptions.PlainLimits, time)
        {
            Refused = refusal => LogRefused(logger, "captured", refusal.Reason, refusal.Count, refusal.Total),
        };
    }

    /// <summary>Connections and handshakes of HBONE.</summary>
    public ConnectionBudget Hbone { get; }

    /// <summary>Captured connections.</summary>
    public ConnectionBudget Plain { get; }

    [LoggerMessage(7030, LogLevel.Warning, "{Kind} connections are refused: {Reason} (refused since the last such line: {Count}, since the start: {Total})")]
    private static partial void LogRefused(ILogger logger, string kind, string reason, long count, long total);
}
