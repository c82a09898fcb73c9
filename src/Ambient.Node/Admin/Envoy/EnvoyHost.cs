using System.Net;
using Ambient.Certificates;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Admin.Envoy;

/// <summary>What the admin endpoint of a host that istiod configures as an Envoy is told of it.</summary>
internal sealed record EnvoyHost
{
    /// <summary>What istiod sent.</summary>
    public required ReceivedConfiguration Received { get; init; }

    /// <summary>Its own certificates; null: they are not known here.</summary>
    public required SvidCache? Svids { get; init; }

    /// <summary>What requests were sent to so far.</summary>
    public required Func<IEnumerable<Backend>> Backends { get; init; }

    /// <summary>Whether it serves.</summary>
    public required Func<bool> IsReady { get; init; }

    /// <summary>Whether it is leaving.</summary>
    public required Func<bool> IsDraining { get; init; }

    /// <summary>Its metrics.</summary>
    public required MetricRegistry Metrics { get; init; }

    /// <summary>Its loggers.</summary>
    public required HostLoggerFactory Loggers { get; init; }

    /// <summary>Its version.</summary>
    public required string Version { get; init; }

    /// <summary>Port of the admin endpoint.</summary>
    public required int AdminPort { get; init; }

    /// <summary>Port of metrics and of what pilot-agent answers.</summary>
    public required int StatusPort { get; init; }

    /// <summary>Port of the probes.</summary>
    public required int ReadinessPort { get; init; }

    /// <summary>Port that Prometheus asks an Envoy at.</summary>
    public required int PrometheusPort { get; init; }

    /// <summary>Address that it listens on.</summary>
    public required IPAddress Wildcard { get; init; }

    /// <summary>Where istiod is.</summary>
    public required Uri ControlPlane { get; init; }

    /// <summary>Where certificates come from; null: not from a service of Istio's protocol.</summary>
    public required Uri? Authority { get; init; }

    /// <summary>Threads that serve.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How it fares, in Envoy's words.</summary>
    public string State => IsDraining() ? "DRAINING"
        : IsReady() ? "LIVE"
        : Received.Of(Discovery.Xds.Envoy.Reading.EnvoyTypes.Cluster).At is null ? "PRE_INITIALIZING"
        : "INITIALIZING";
}
