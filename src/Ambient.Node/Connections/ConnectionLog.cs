using System.Net;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Connections;

/// <summary>
/// The access log: one line for each connection when it ends, with the fields and order that people and dashboards know from Istio. A line is
/// formatted into a thread's own buffer and copied into the log's queue; no string is made.
/// </summary>
internal sealed class ConnectionLog
{
    private const string Target = "access";

    private readonly HostLoggerFactory _loggers;
    private readonly ILogger _level;
    private readonly Func<bool>? _isOn;

    /// <summary>Creates the log.</summary>
    /// <param name="loggers">Where lines go.</param>
    /// <param name="isOn">Whether the mesh wants them, asked for each line; null: it always does, as at a ztunnel.</param>
    public ConnectionLog(HostLoggerFactory loggers, Func<bool>? isOn = null)
    {
        _isOn = isOn;
        ArgumentNullException.ThrowIfNull(loggers);
        _loggers = loggers;
        _level = loggers.CreateLogger(Target);
    }

    /// <summary>A connection begins (debug level).</summary>
    public void Opened(ConnectionParties parties)
    {
        if (_level.IsEnabled(LogLevel.Debug) && _isOn?.Invoke() != false)
        {
            var line = Begin(LogLevel.Debug, "connection opened");
            line.Parties(parties);
            End(LogLevel.Debug, line);
        }
    }

    /// <summary>A connection is over.</summary>
    /// <param name="parties">Who.</param>
    /// <param name="sent">Bytes that left this workload's side: outbound, client to server; inbound, server to client.</param>
    /// <param name="received">Bytes the other way.</param>
    /// <param name="duration">From accept to end.</param>
    /// <param name="error">Why it failed, or null.</param>
    public void Completed(ConnectionParties parties, long sent, long received, TimeSpan duration, string? error)
    {
        var level = error is null ? LogLevel.Information : LogLevel.Error;
        if (!_level.IsEnabled(level) || _isOn?.Invoke() == false)
        {
            return;
        }

        var line = Begin(level, "connection complete");
        line.Parties(parties);
        line.Field("bytes_sent"u8, sent);
        line.Field("bytes_recv"u8, received);
        line.Milliseconds("duration"u8, (long)duration.TotalMilliseconds);
        line.Field("error"u8, error);
        End(level, line);
    }

    /// <summary>A connection was refused before anything was known about it. It is counted in no metric.</summary>
    public void Failed(IPEndPoint source, IPEndPoint destination, TrafficDirection direction, string error)
    {
        if (!_level.IsEnabled(LogLevel.Warning))
        {
            return;
        }

        var line = Begin(LogLevel.Warning, "connection failed");
        line.Field("src.addr"u8, source);
        line.Field("dst.addr"u8, destination);
        line.Field(direction);
        line.Field("error"u8, error);
        End(LogLevel.Warning, line);
    }

    private AccessLogLine Begin(LogLevel level, string message) => _loggers.Begin(level, Target, message);

    private void End(LogLevel level, AccessLogLine line) => _loggers.End(level, _level, line);
}
