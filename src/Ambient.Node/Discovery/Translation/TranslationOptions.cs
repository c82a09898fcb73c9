using System.Net;

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

    /// <summary>Namespace whose policies hold for the whole mesh.</summary>
    public string RootNamespace { get; init; } = "istio-system";

    /// <summary>Where addresses of pods are taken from that have none.</summary>
    public IPNetwork PodRange { get; init; } = ComputedAddresses.Pods;

    /// <summary>Where addresses of services are taken from that have none.</summary>
    public IPNetwork ServiceRange { get; init; } = ComputedAddresses.Services;
}
