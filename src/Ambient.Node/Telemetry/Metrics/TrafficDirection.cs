namespace Ambient.Node.Telemetry.Metrics;

/// <summary>Which side of the workload a connection is on.</summary>
internal enum TrafficDirection
{
    /// <summary>Opened by the workload.</summary>
    Outbound,

    /// <summary>To the workload.</summary>
    Inbound,
}
