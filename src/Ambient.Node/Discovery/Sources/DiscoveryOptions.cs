using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Discovery.Sources;

/// <summary>Where the mesh is read from, and what the source itself does not say. Exactly one source must be given.</summary>
public sealed class DiscoveryOptions
{
    /// <summary>Options that name no source yet.</summary>
    public DiscoveryOptions() => TrustDomainAliases = [];

    internal DiscoveryOptions(IEnumerable<string> trustDomainAliases) => TrustDomainAliases = [.. trustDomainAliases];

    /// <summary>Folder of Kubernetes YAML, watched (<c>AMBIENT_MANIFESTS</c>); null when another source is used.</summary>
    public string? ManifestsFolder { get; set; }

    /// <summary>File in ztunnel's local format, read once (<c>LOCAL_XDS_PATH</c>); null when another source is used.</summary>
    public string? LocalConfigPath { get; set; }

    /// <summary>Text in ztunnel's local format (<c>LOCAL_XDS</c>); null when another source is used.</summary>
    public string? LocalConfig { get; set; }

    /// <summary>Name of the cluster, part of every workload's uid (<c>CLUSTER_ID</c>). Default <c>Kubernetes</c>.</summary>
    public string ClusterId { get; set; } = "Kubernetes";

    /// <summary>Network of the addresses (<c>NETWORK</c>). Default empty, the default network.</summary>
    public string Network { get; set; } = "";

    /// <summary>DNS domain of services (<c>CLUSTER_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string ClusterDomain { get; set; } = "cluster.local";

    /// <summary>Trust domain of the identities of workloads (<c>TRUST_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string TrustDomain { get; set; } = "cluster.local";

    /// <summary>
    /// Trust domains whose identities count as the mesh's own, in layer 7 policies and among peers of waypoints and members. Default none. A
    /// MeshConfig in the folder goes before it.
    /// </summary>
    public IList<string> TrustDomainAliases { get; }

    /// <summary>Namespace whose policies hold for the whole mesh. Default <c>istio-system</c>.</summary>
    public string RootNamespace { get; set; } = "istio-system";

    /// <summary>
    /// Range that a folder's pods get their addresses from when their manifests name none (<c>AMBIENT_POD_RANGE</c>). Default 127.64.0.0/10:
    /// loopback, so that all of them are on this machine.
    /// </summary>
    public IPNetwork PodRange { get; set; } = ComputedAddresses.Pods;

    /// <summary>The same for services (<c>AMBIENT_SERVICE_RANGE</c>). Default 127.128.0.0/10.</summary>
    public IPNetwork ServiceRange { get; set; } = ComputedAddresses.Services;

    /// <summary>
    /// How long the folder must be quiet after a change before it is read. Default 50 ms. Shorter reads files that are
    /// still being written; longer delays every change.
    /// </summary>
    public TimeSpan QuietPeriod { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// How often the folder is compared with what was read, for file systems that report no changes. Default 500 ms.
    /// </summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>What is done to paths before anything looks at them; a MeshConfig in the folder goes before it.</summary>
    internal PathNormalization PathNormalization { get; set; }

    /// <summary>Whether waypoints, gateways and members write an access log; a MeshConfig in the folder goes before it.</summary>
    internal bool LogsAccess { get; set; } = true;

    /// <summary>External authorizers.</summary>
    internal IReadOnlyList<ExternalAuthorizer> ExternalAuthorizers { get; set; } = [];

    /// <summary>Which proxies stand in front of gateways.</summary>
    internal ProxySettings Proxy { get; set; } = ProxySettings.None;

    /// <summary>What is said of telemetry; a MeshConfig in the folder goes before it.</summary>
    internal MeshTelemetry Telemetry { get; set; } = MeshTelemetry.None;

    /// <summary>A control plane; may be beside a local configuration, which is read first.</summary>
    internal XdsOptions? Xds { get; set; }
}
