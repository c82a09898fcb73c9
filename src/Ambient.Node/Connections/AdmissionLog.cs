using Ambient.Hbone.Admission;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Connections;

/// <summary>Tells operators of connections that were refused at a listener's limits: who, how many, and which setting admits more.</summary>
internal static partial class AdmissionLog
{
    /// <summary>A budget whose refusals are logged.</summary>
    /// <param name="kind">What kind of connections, as the first word of the line.</param>
    /// <param name="limits">What is admitted.</param>
    /// <param name="settings">The setting of a limit, by the name of its property; null where it has none.</param>
    /// <param name="logger">Where lines go.</param>
    /// <param name="time">Clock.</param>
    public static ConnectionBudget Budget(string kind, ConnectionLimits limits, Func<string, string?> settings, ILogger logger, TimeProvider time) => new(limits, time)
    {
        Refused = refusal =>
        {
            if (settings(refusal.Limit) is { } setting)
            {
                LogRefused(logger, kind, refusal.Reason, refusal.Count, refusal.Total, setting);
            }
            else
            {
                LogRefusedFirmly(logger, kind, refusal.Reason, refusal.Count, refusal.Total);
            }
        },
    };

    /// <summary>The budget of a process's connections from elsewhere, which is set by variables.</summary>
    /// <param name="inAll">Connections at a time.</param>
    /// <param name="perPeer">Connections from one address at a time.</param>
    /// <param name="logger">Where lines go.</param>
    /// <param name="time">Clock.</param>
    /// <param name="kind">What kind of connections.</param>
    public static ConnectionBudget OfProcess(int inAll, int perPeer, ILogger logger, TimeProvider time, string kind = "HBONE") =>
        Budget(kind, new ConnectionLimits { MaxConnections = inAll, MaxConnectionsPerAddress = perPeer }, VariableOf, logger, time);

    private static string? VariableOf(string limit) => limit switch
    {
        nameof(ConnectionLimits.MaxConnections) => "AMBIENT_MAX_CONNECTIONS",
        nameof(ConnectionLimits.MaxConnectionsPerAddress) => "AMBIENT_MAX_CONNECTIONS_PER_PEER",
        _ => null,
    };

    [LoggerMessage(3010, LogLevel.Warning, "{Kind} connections are refused: {Reason} (refused since the last such line: {Count}, since the start: {Total}). To admit more, raise {Setting}")]
    private static partial void LogRefused(ILogger logger, string kind, string reason, long count, long total, string setting);

    [LoggerMessage(3011, LogLevel.Warning, "{Kind} connections are refused: {Reason} (refused since the last such line: {Count}, since the start: {Total})")]
    private static partial void LogRefusedFirmly(ILogger logger, string kind, string reason, long count, long total);
}
