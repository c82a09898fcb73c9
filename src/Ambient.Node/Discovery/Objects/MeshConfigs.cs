using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Objects;

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
    public GatewayTopology Topology { get; init; } = GatewayTopology.None;

    /// <summary>What holds for hosts whose DestinationRule has nothing of it.</summary>
    public TrafficPolicy? DefaultTrafficPolicy { get; init; }

    /// <summary>What it says of telemetry.</summary>
    public MeshTelemetry Telemetry { get; init; } = MeshTelemetry.None;
}
