using System.Net;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Options;

/// <summary>Settings that every host process has: where the mesh comes from, who it is, how it logs. Immutable.</summary>
public sealed class HostOptions
{
    /// <summary>Watched folder of Kubernetes YAML (<c>AMBIENT_MANIFESTS</c>), or null.</summary>
    public string? Manifests { get; init; }

    /// <summary>Range of the addresses of the folder's pods that name none (<c>AMBIENT_POD_RANGE</c>). Default 127.64.0.0/10.</summary>
    public IPNetwork PodRange { get; init; } = ComputedAddresses.Pods;

    /// <summary>The same for services (<c>AMBIENT_SERVICE_RANGE</c>). Default 127.128.0.0/10.</summary>
    public IPNetwork ServiceRange { get; init; } = ComputedAddresses.Services;

    /// <summary>File in ztunnel's local format (<c>LOCAL_XDS_PATH</c>), or null.</summary>
    public string? LocalXdsPath { get; init; }

    /// <summary>Text in ztunnel's local format (<c>LOCAL_XDS</c>), or null.</summary>
    public string? LocalXds { get; init; }

    /// <summary>Folder of the embedded authority (<c>AMBIENT_CA_DIR</c>), or null.</summary>
    public string? AuthorityFolder { get; init; }

    /// <summary>Life of certificates (<c>SECRET_TTL</c>). Default 24 hours.</summary>
    public TimeSpan SecretTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Node that this process serves (<c>NODE_NAME</c>); null: every workload counts as local.</summary>
    public string? NodeName { get; init; }

    /// <summary>Cluster (<c>CLUSTER_ID</c>). Default <c>Kubernetes</c>.</summary>
    public string ClusterId { get; init; } = "Kubernetes";

    /// <summary>Network (<c>NETWORK</c>). Default empty.</summary>
    public string Network { get; init; } = "";

    /// <summary>DNS domain of the cluster (<c>CLUSTER_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Trust domain (<c>TRUST_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string TrustDomain { get; init; } = "cluster.local";

    /// <summary>Namespace of mesh-wide settings (<c>AMBIENT_ROOT_NAMESPACE</c>). Default <c>istio-system</c>.</summary>
    public string RootNamespace { get; init; } = "istio-system";

    /// <summary>Added to 15000, 15020 and 15021 of this process (<c>AMBIENT_PORT_OFFSET</c>), so that several hosts can share a machine.</summary>
    public int PortOffset { get; init; }

    /// <summary>Whether sockets listen on IPv6 as well (<c>IPV6_ENABLED</c>). Default true.</summary>
    public bool IPv6Enabled { get; init; } = true;

    /// <summary>Time that open connections get at shutdown. Default 5 seconds.</summary>
    public TimeSpan TerminationDeadline { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Form of log lines (<c>LOG_FORMAT</c>).</summary>
    public LogFormat LogFormat { get; init; }

    /// <summary>What is logged (<c>RUST_LOG</c>). Default <c>info</c>.</summary>
    public string LogFilter { get; init; } = "info";

    /// <summary>Version of the Istio that this host belongs to (<c>ISTIO_META_ISTIO_VERSION</c>), shown in <c>istio_build</c>. Default <c>unknown</c>.</summary>
    public string IstioVersion { get; init; } = "unknown";

    /// <summary>The mesh source that these settings name.</summary>
    /// <summary>Whether the mesh, or a part of it, comes from a file or folder.</summary>
    internal bool HasFileSource => Manifests is not null || LocalXdsPath is not null || LocalXds is not null;

    internal AuthorityOptions ToAuthorityOptions() => new()
    {
        Folder = AuthorityFolder ?? AuthorityOptions.FakeFolder(TrustDomain),
        TrustDomain = TrustDomain,
        Lifetime = SecretTtl,
    };

    internal DiscoveryOptions ToDiscoveryOptions() => new()
    {
        ManifestsFolder = Manifests,
        LocalConfigPath = LocalXdsPath,
        LocalConfig = LocalXds,
        ClusterId = ClusterId,
        Network = Network,
        ClusterDomain = ClusterDomain,
        TrustDomain = TrustDomain,
        RootNamespace = RootNamespace,
        PodRange = PodRange,
        ServiceRange = ServiceRange,
    };
}
