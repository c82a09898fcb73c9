using Ambient.Node.Authorities;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Membership;

namespace Ambient.Node.Member;

/// <summary>
/// Settings of an application that is a node of the mesh in its own process, by default a member: the configuration section
/// <c>Ambient</c>. Validated at start, all errors at once.
/// </summary>
public sealed class AmbientMeshOptions
{
    /// <summary>Name of the configuration section.</summary>
    public const string SectionName = "Ambient";

    /// <summary>Watched folder of Kubernetes YAML: the mesh. Where null, the variable <c>AMBIENT_MANIFESTS</c>.</summary>
    public string? Manifests { get; set; }

    /// <summary>File in ztunnel's local YAML format, in place of <see cref="Manifests"/>. Where null, the variable <c>LOCAL_XDS_PATH</c>.</summary>
    public string? LocalConfig { get; set; }

    /// <summary>
    /// Folder of the embedded certificate authority, shared by all members and hosts of a machine (mode 0700). Where null, the
    /// variable <c>AMBIENT_CA_DIR</c>.
    /// </summary>
    public string? AuthorityFolder { get; set; }

    /// <summary>
    /// Name of the pod that this process runs as, for example <c>shop-0</c> for the first pod of the Deployment <c>shop</c>. Its
    /// address is bound, its service account is the identity, its policies apply. The pod is labelled
    /// <c>networking.istio.io/tunnel: http</c>, which tells every ztunnel that it serves HBONE itself. Where null, the variable
    /// <c>POD_NAME</c>.
    /// </summary>
    public string? Pod { get; set; }

    /// <summary>Namespace of the pod. Where null, the variable <c>POD_NAMESPACE</c>.</summary>
    public string? Namespace { get; set; }

    /// <summary>Cluster. Default <c>Kubernetes</c>.</summary>
    public string ClusterId { get; set; } = "Kubernetes";

    /// <summary>Network. Default empty.</summary>
    public string Network { get; set; } = "";

    /// <summary>DNS domain of the cluster. Default <c>cluster.local</c>.</summary>
    public string ClusterDomain { get; set; } = "cluster.local";

    /// <summary>Trust domain. Default <c>cluster.local</c>.</summary>
    public string TrustDomain { get; set; } = "cluster.local";

    /// <summary>Trust domains whose identities count as the mesh's own. Default none; a MeshConfig in the folder goes before it.</summary>
    public IList<string> TrustDomainAliases { get; } = [];

    /// <summary>
    /// Ports that the application answers inside the mesh besides the target ports of its services, from 1 to 65535: for a pod that is
    /// called by its address and has no service. Default none. Callers of any other port are refused, whatever policies say.
    /// </summary>
    public IList<int> Ports { get; } = [];

    /// <summary>
    /// Whether every client of <c>IHttpClientFactory</c> calls through the mesh. Default true, as for a pod behind a ztunnel. With
    /// false, only those that are told to with <c>AddMeshHandler()</c>.
    /// </summary>
    public bool AllClients { get; set; } = true;

    /// <summary>
    /// How long the start waits for the pod to appear in the mesh, from one second to ten minutes. Default 30 seconds; then the
    /// start fails and says which pod is missing.
    /// </summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Time that open requests get at shutdown, up to an hour. Default null: the host's own <c>ShutdownTimeout</c>, which bounds it in any case.
    /// </summary>
    public TimeSpan? DrainTimeout { get; set; }

    /// <summary>
    /// Paths that anybody may GET or HEAD on the plain endpoints, whatever the policies say: those that liveness and readiness probes ask,
    /// for example <c>/healthz</c>. Compared letter for letter with the whole path. Default none.
    /// </summary>
    public IList<string> ProbePaths { get; } = [];

    /// <summary>Ports of plain endpoints that no policy guards, 1 to 65535: those that only probes and scrapers are told. Default none.</summary>
    public IList<int> ProbePorts { get; } = [];

    /// <summary>
    /// Istiod, which tells the mesh, in place of files or beside them: a folder beside it brings what requests are authorized by, a local
    /// configuration is read first. Null: there is none. Default null.
    /// </summary>
    public IstiodOptions? Istiod { get; set; }

    /// <summary>Istiod, or whoever else speaks its certificate protocol, as the authority; null: another authority. Default null.</summary>
    public IstiodOptions? IstioAuthority { get; set; }

    /// <summary>A SPIFFE Workload API as the authority: <c>unix:///path</c> or <c>tcp://address:port</c>; null: another authority. Default null.</summary>
    public string? WorkloadApi { get; set; }

    /// <summary>File of revoked certificates, PEM or DER, looked at again every two seconds. Where null, the variable <c>CRL_PATH</c>.</summary>
    public string? RevocationFile { get; set; }

    /// <summary>Node that the application runs on, for the control plane and a ztunnel. Where null, the variable <c>NODE_NAME</c>.</summary>
    public string? NodeName { get; set; }

    /// <summary>HBONE connections that are accepted at a time: 1 to 10,000,000; 16,384 by default. Further ones are refused, and the log says so.</summary>
    public int MaxConnections { get; set; } = 16_384;

    /// <summary>HBONE connections that are accepted from one address at a time: 1 to 10,000,000; 1,024 by default.</summary>
    public int MaxConnectionsPerPeer { get; set; } = 1_024;

    /// <summary>What membership of the mesh takes of these settings. What cannot be read is left out: the validator says so.</summary>
    internal MeshRuntimeOptions ToMeshRuntime() => new()
    {
        Discovery = new DiscoveryOptions(TrustDomainAliases)
        {
            ManifestsFolder = Manifests,
            LocalConfigPath = LocalConfig,
            ClusterId = ClusterId,
            Network = Network,
            ClusterDomain = ClusterDomain,
            TrustDomain = TrustDomain,
            Xds = Istiod?.ToControlPlane("xDS", ClusterId, out _) is not { } server ? null : new XdsOptions
            {
                Server = server,
                OnDemand = Istiod.OnDemand,
                PodName = Pod ?? "",
                PodNamespace = Namespace ?? "",
                NodeName = NodeName ?? "",
            },
        },
        Authority = new AuthorityOptions
        {
            Folder = AuthorityFolder,
            Istio = IstioAuthority?.ToControlPlane("CA", ClusterId, out _),
            WorkloadApi = WorkloadApi is not null && WorkloadApiAddress.TryParse(WorkloadApi, out var address, out _) ? address : null,
            TrustDomain = TrustDomain,
        },
        RevocationFile = RevocationFile,
        LogPrefix = "Ambient.Node.",
    };
}
