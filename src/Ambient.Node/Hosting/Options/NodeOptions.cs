using System.Net;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Options;

/// <summary>Settings that every host process has: where the mesh comes from, who it is, how it logs. Not to be changed once the host runs.</summary>
public sealed class NodeOptions
{
    /// <summary>Watched folder of Kubernetes YAML (<c>AMBIENT_MANIFESTS</c>), or null.</summary>
    public string? Manifests { get; set; }

    /// <summary>Range of the addresses of the folder's pods that name none (<c>AMBIENT_POD_RANGE</c>). Default 127.64.0.0/10.</summary>
    public IPNetwork PodRange { get; set; } = ComputedAddresses.Pods;

    /// <summary>The same for services (<c>AMBIENT_SERVICE_RANGE</c>). Default 127.128.0.0/10.</summary>
    public IPNetwork ServiceRange { get; set; } = ComputedAddresses.Services;

    /// <summary>File in ztunnel's local format (<c>LOCAL_XDS_PATH</c>), or null.</summary>
    public string? LocalXdsPath { get; set; }

    /// <summary>Text in ztunnel's local format (<c>LOCAL_XDS</c>), or null.</summary>
    public string? LocalXds { get; set; }

    /// <summary>Folder of the embedded authority (<c>AMBIENT_CA_DIR</c>), or null.</summary>
    public string? AuthorityFolder { get; set; }

    /// <summary>Life of certificates (<c>SECRET_TTL</c>). Default 24 hours.</summary>
    public TimeSpan SecretTtl { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Node that this process serves (<c>NODE_NAME</c>); null: every workload counts as local.</summary>
    public string? NodeName { get; set; }

    /// <summary>Cluster (<c>CLUSTER_ID</c>). Default <c>Kubernetes</c>.</summary>
    public string ClusterId { get; set; } = "Kubernetes";

    /// <summary>Network (<c>NETWORK</c>). Default empty.</summary>
    public string Network { get; set; } = "";

    /// <summary>DNS domain of the cluster (<c>CLUSTER_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string ClusterDomain { get; set; } = "cluster.local";

    /// <summary>Trust domain (<c>TRUST_DOMAIN</c>). Default <c>cluster.local</c>.</summary>
    public string TrustDomain { get; set; } = "cluster.local";

    /// <summary>Trust domains whose identities count as the mesh's own, from the mesh configuration that a pod is given. Default none.</summary>
    public IList<string> TrustDomainAliases { get; } = [];

    /// <summary>Namespace of mesh-wide settings (<c>AMBIENT_ROOT_NAMESPACE</c>). Default <c>istio-system</c>.</summary>
    public string RootNamespace { get; set; } = "istio-system";

    /// <summary>Added to 15000, 15020 and 15021 of this process (<c>AMBIENT_PORT_OFFSET</c>), so that several hosts can share a machine.</summary>
    public int PortOffset { get; set; }

    /// <summary>Whether sockets listen on IPv6 as well (<c>IPV6_ENABLED</c>). Default true.</summary>
    public bool IPv6Enabled { get; set; } = true;

    /// <summary>Time that open connections get at shutdown. Default 5 seconds.</summary>
    public TimeSpan TerminationDeadline { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Form of log lines (<c>LOG_FORMAT</c>).</summary>
    public LogFormat LogFormat { get; set; }

    /// <summary>What is logged (<c>RUST_LOG</c>). Default <c>info</c>.</summary>
    public string LogFilter { get; set; } = "info";

    /// <summary>Version of the Istio that this host belongs to (<c>ISTIO_META_ISTIO_VERSION</c>), shown in <c>istio_build</c>. Default <c>unknown</c>.</summary>
    public string IstioVersion { get; set; } = "unknown";

    /// <summary>Use an authority of this machine whose root is kept in the temporary folder (<c>FAKE_CA</c>). For tests: whoever shares that folder can be anybody.</summary>
    public bool FakeAuthority { get; set; }

    /// <summary>File of revoked certificates (<c>CRL_PATH</c>): PEM or DER, looked at again every two seconds; null: nobody is revoked. Default null.</summary>
    public string? RevocationFile { get; set; }

    /// <summary>What is done to paths before anything looks at them.</summary>
    internal PathNormalization PathNormalization { get; set; }

    /// <summary>Whether waypoints and gateways write an access log.</summary>
    internal bool LogsAccess { get; set; } = true;

    /// <summary>External authorizers that a mounted MeshConfig names.</summary>
    internal IReadOnlyList<ExternalAuthorizer> ExternalAuthorizers { get; set; } = [];

    /// <summary>Which proxies stand in front of gateways, as a mounted MeshConfig says.</summary>
    internal ProxySettings Proxy { get; set; } = ProxySettings.None;

    /// <summary>What is said of telemetry; a MeshConfig in the folder goes before it.</summary>
    internal MeshTelemetry Telemetry { get; set; } = MeshTelemetry.None;

    /// <summary>The control plane that tells the mesh (<c>XDS_ADDRESS</c>); null: the mesh comes from files alone.</summary>
    internal XdsOptions? Xds { get; set; }

    /// <summary>The certificate authority that speaks Istio's protocol (<c>CA_ADDRESS</c>); null: an embedded one.</summary>
    internal ControlPlaneOptions? CertificateAuthority { get; set; }

    /// <summary>The SPIFFE Workload API that gives certificates (<c>SPIFFE_ENDPOINT_SOCKET</c>); null: none does.</summary>
    internal WorkloadApiAddress? WorkloadApi { get; set; }

    /// <summary>What is wrong with the section of the application's configuration that they were read from.</summary>
    internal IReadOnlyList<string> SectionFaults { get; set; } = [];

    /// <summary>Whether the machine's own roots vouch for the control plane or the authority.</summary>
    internal bool UsesMachineRoots => Xds?.Server.Roots == ControlPlaneOptions.SystemRoots || CertificateAuthority?.Roots == ControlPlaneOptions.SystemRoots;

    /// <summary>Whether an authority is named.</summary>
    internal bool HasAuthority => AuthorityFolder is not null || FakeAuthority || CertificateAuthority is not null || WorkloadApi is not null;

    /// <summary>Whether the mesh, or a part of it, comes from a file or folder.</summary>
    internal bool HasFileSource => Manifests is not null || LocalXdsPath is not null || LocalXds is not null;

    /// <summary>What membership of the mesh takes of these settings.</summary>
    /// <param name="impersonate">Whether certificates are asked for in the name of workloads, as a node's proxy does, rather than for ourselves.</param>
    internal MeshRuntimeOptions ToMeshRuntime(bool impersonate) => new()
    {
        Discovery = ToDiscoveryOptions(),
        RevocationFile = RevocationFile,
        Authority = new AuthorityOptions
        {
            Folder = AuthorityFolder ?? (FakeAuthority ? AuthorityOptions.FakeFolder(TrustDomain) : null),
            Istio = CertificateAuthority,
            WorkloadApi = WorkloadApi,
            Impersonate = impersonate,
            TrustDomain = TrustDomain,
            Lifetime = SecretTtl,
        },
    };

    /// <summary>Where the mesh comes from.</summary>
    internal DiscoveryOptions ToDiscoveryOptions() => new(TrustDomainAliases)
    {
        PathNormalization = PathNormalization,
        LogsAccess = LogsAccess,
        ExternalAuthorizers = ExternalAuthorizers,
        Proxy = Proxy,
        Telemetry = Telemetry,
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
        Xds = Xds,
    };
}
