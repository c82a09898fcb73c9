using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>What the objects do not say themselves.</summary>
internal sealed record TranslationOptions
{
    /// <summary>Name of the cluster.</summary>
    public string ClusterId { get; init; } = "Kubernetes";

    /// <summary>Network of the cluster's addresses; empty is the default network.</summary>
    public string Network { get; init; } = "";

    /// <summary>DNS domain of services.</summary>
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Trust domain of identities.</summary>
    public string TrustDomain { get; init; } = "cluster.local";

    /// <summary>Trust domains whose identities count as the mesh's own.</summary>
    public IReadOnlyList<string> TrustDomainAliases { get; init; } = [];

    /// <summary>What is done to paths before anything looks at them.</summary>
    public PathNormalization PathNormalization { get; init; }

    /// <summary>Whether an access log is written.</summary>
    public bool LogsAccess { get; init; } = true;

    /// <summary>External authorizers.</summary>
    public IReadOnlyList<ExternalAuthorizer> ExternalAuthorizers { get; init; } = [];

    /// <summary>Which proxies stand in front of gateways.</summary>
    public ProxySettings Proxy { get; init; } = ProxySettings.None;

    /// <summary>What holds for hosts whose DestinationRule has nothing of it; null: nothing is said.</summary>
    public TrafficPolicy? DefaultTrafficPolicy { get; init; }

    /// <summary>Time for connections, and probes on them, where nothing else is said; null: nothing is said.</summary>
    public ConnectionPoolSettings? ConnectionDefaults { get; init; }

    /// <summary>Which localities are preferred where nothing else is said; null: nothing is said.</summary>
    public LocalityBalancing? LocalityDefaults { get; init; }

    /// <summary>When requests are sent again where no rule says; null: nothing is said.</summary>
    public RetryRule? DefaultRetry { get; init; }

    /// <summary>Time for one try where no rule says anything of retries; null: nothing is said.</summary>
    public TimeSpan? DefaultTryTimeout { get; init; }

    /// <summary>Where objects are exported to that do not say.</summary>
    public ExportDefaults Exports { get; init; } = new([], [], []);

    /// <summary>What is said of telemetry.</summary>
    public MeshTelemetry Telemetry { get; init; } = MeshTelemetry.None;

    /// <summary>Namespace whose policies hold for the whole mesh.</summary>
    public string RootNamespace { get; init; } = "istio-system";

    /// <summary>Where addresses of pods are taken from that have none.</summary>
    public IPNetwork PodRange { get; init; } = ComputedAddresses.Pods;

    /// <summary>Where addresses of services are taken from that have none.</summary>
    public IPNetwork ServiceRange { get; init; } = ComputedAddresses.Services;

    /// <summary>These options with what the mesh says itself: the MeshConfig in the root namespace that they name.</summary>
    public TranslationOptions With(MeshConfigObject? config) => config is null ? this : this with
    {
        RootNamespace = config.RootNamespace ?? RootNamespace,
        TrustDomainAliases = config.TrustDomainAliases ?? TrustDomainAliases,
        PathNormalization = config.PathNormalization ?? PathNormalization,
        LogsAccess = config.LogsAccess ?? LogsAccess,
        ExternalAuthorizers = config.ExternalAuthorizers ?? ExternalAuthorizers,
        Proxy = config.Proxy.Over(Proxy),
        DefaultTrafficPolicy = config.DefaultTrafficPolicy ?? DefaultTrafficPolicy,
        ConnectionDefaults = config.ConnectionDefaults ?? ConnectionDefaults,
        LocalityDefaults = config.LocalityDefaults ?? LocalityDefaults,
        DefaultRetry = config.DefaultRetry ?? DefaultRetry,
        DefaultTryTimeout = config.DefaultTryTimeout ?? DefaultTryTimeout,
        Exports = config.Exports ?? Exports,
        Telemetry = config.Telemetry.Over(Telemetry),
    };
}
