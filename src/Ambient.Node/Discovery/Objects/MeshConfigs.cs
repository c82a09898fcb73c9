using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Objects;

/// <summary>Where objects are exported to that do not say; empty: everywhere.</summary>
/// <param name="Services">Services and ServiceEntries.</param>
/// <param name="VirtualServices">VirtualServices.</param>
/// <param name="DestinationRules">DestinationRules.</param>
internal sealed record ExportDefaults(IReadOnlyList<string> Services, IReadOnlyList<string> VirtualServices, IReadOnlyList<string> DestinationRules)
{
    public bool Equals(ExportDefaults? other) =>
        other is not null && Services.SequenceEqual(other.Services) && VirtualServices.SequenceEqual(other.VirtualServices) && DestinationRules.SequenceEqual(other.DestinationRules);

    public override int GetHashCode() => HashCode.Combine(Services.Count, VirtualServices.Count, DestinationRules.Count);
}

/// <summary>The MeshConfig in a ConfigMap <c>istio</c>, as far as it is acted on. Null: it does not say.</summary>
/// <param name="Meta">Metadata of the ConfigMap.</param>
internal sealed record MeshConfigObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>The mesh's trust domain.</summary>
    public string? TrustDomain { get; init; }

    /// <summary>An error about <see cref="TrustDomain"/>, without the message.</summary>
    public ConfigurationError? AtTrustDomain { get; init; }

    /// <summary>Trust domains whose identities count as the mesh's own.</summary>
    public IReadOnlyList<string>? TrustDomainAliases { get; init; }

    /// <summary>Namespace whose policies hold for the whole mesh.</summary>
    public string? RootNamespace { get; init; }

    /// <summary>What is done to paths before anything looks at them.</summary>
    public PathNormalization? PathNormalization { get; init; }

    /// <summary>Whether waypoints and gateways write an access log.</summary>
    public bool? LogsAccess { get; init; }

    /// <summary>External authorizers.</summary>
    public IReadOnlyList<ExternalAuthorizer>? ExternalAuthorizers { get; init; }

    /// <summary>Which proxies stand in front of gateways: <c>defaultConfig.gatewayTopology</c>.</summary>
    public ProxySettings Proxy { get; init; } = ProxySettings.None;

    /// <summary>What holds for hosts whose DestinationRule has nothing of it.</summary>
    public TrafficPolicy? DefaultTrafficPolicy { get; init; }

    /// <summary>Time for connections, and probes on them, where nothing else is said.</summary>
    public ConnectionPoolSettings? ConnectionDefaults { get; init; }

    /// <summary>Which localities are preferred where nothing else is said.</summary>
    public LocalityBalancing? LocalityDefaults { get; init; }

    /// <summary>When requests are sent again where no rule says.</summary>
    public RetryRule? DefaultRetry { get; init; }

    /// <summary>Time for one try where no rule says anything of retries.</summary>
    public TimeSpan? DefaultTryTimeout { get; init; }

    /// <summary>Where objects are exported to that do not say.</summary>
    public ExportDefaults? Exports { get; init; }

    /// <summary>What it says of telemetry.</summary>
    public MeshTelemetry Telemetry { get; init; } = MeshTelemetry.None;
}
