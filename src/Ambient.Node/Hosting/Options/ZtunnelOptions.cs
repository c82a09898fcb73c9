using System.Net;
using Ambient.Node.Membership;

namespace Ambient.Node.Hosting.Options;

/// <summary>Settings of a ztunnel, not to be changed once it runs. Defaults are those of Istio's ztunnel.</summary>
public sealed class ZtunnelOptions
{
    /// <summary>What every host has.</summary>
    public NodeOptions Host { get; set; } = new();

    /// <summary>Whose connections are carried, and how they are caught (<c>PROXY_MODE</c>).</summary>
    public ZtunnelMode Mode { get; set; }

    /// <summary>The one workload of dedicated mode (<c>PROXY_WORKLOAD_INFO</c>), else null.</summary>
    public ProxyWorkload? Workload { get; set; }

    /// <summary>Unix socket of the network plugin, shared mode (<c>INPOD_UDS</c>). Default <c>/var/run/ztunnel/ztunnel.sock</c>.</summary>
    public string InPodSocket { get; set; } = "/var/run/ztunnel/ztunnel.sock";

    /// <summary>Whether another ztunnel may listen beside this one in pods, as while a new version takes over (<c>INPOD_PORT_REUSE</c>). Default true.</summary>
    public bool InPodPortReuse { get; set; } = true;

    /// <summary>
    /// The ztunnel's own pod (<c>POD_NAMESPACE</c>, <c>POD_NAME</c>, <c>SERVICE_ACCOUNT</c>), for which it serves HBONE in its own network in shared mode;
    /// null: it does not. Default null.
    /// </summary>
    public ProxyWorkload? Self { get; set; }

    /// <summary>SO_MARK of every socket (<c>PACKET_MARK</c>); null: none. Setting it needs CAP_NET_ADMIN.</summary>
    public int? PacketMark { get; set; }

    /// <summary>Whether workloads see the client's address (<c>ENABLE_ORIG_SRC</c>); null: where the kernel allows it.</summary>
    public bool? EnableOriginalSource { get; set; }

    /// <summary>Whether answers to CONNECT carry baggage, and received baggage is read (<c>ENABLE_RESPONSE_BAGGAGE</c>). Default true.</summary>
    public bool ResponseBaggage { get; set; } = true;

    /// <summary>
    /// Whether applications that take tunnels with the PROXY protocol are reached on their pod's loopback
    /// (<c>LOCALHOST_APP_TUNNEL</c>). Default true; in loopback mode pods have no loopback of their own, and it does not apply.
    /// </summary>
    public bool LocalhostTunnel { get; set; } = true;

    /// <summary>Whether the decisions of policies are logged at info rather than debug (<c>AUTHZ_POLICY_INFO_LOGGING</c>).</summary>
    public bool LogPolicyDecisions { get; set; }

    /// <summary>Flow-control window of an HBONE stream in bytes (<c>HTTP2_STREAM_WINDOW_SIZE</c>). Default 4 MiB. Small windows slow bulk transfers down; large ones let a slow reader hold memory.</summary>
    public int StreamWindowSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Flow-control window of an HBONE connection in bytes (<c>HTTP2_CONNECTION_WINDOW_SIZE</c>). Default 16 MiB.</summary>
    public int ConnectionWindowSize { get; set; } = 16 * 1024 * 1024;

    /// <summary>Largest HTTP/2 frame in bytes (<c>HTTP2_FRAME_SIZE</c>). Default 1 MiB.</summary>
    public int FrameSize { get; set; } = 1024 * 1024;

    /// <summary>Streams that one pooled connection carries (<c>POOL_MAX_STREAMS_PER_CONNECTION</c>). Default 100.</summary>
    public int PoolMaxStreams { get; set; } = 100;

    /// <summary>HBONE connections that are accepted at a time, over all workloads (<c>AMBIENT_MAX_CONNECTIONS</c>). Default 16,384; further ones are refused.</summary>
    public int MaxConnections { get; set; } = 16_384;

    /// <summary>HBONE connections that are accepted from one address at a time (<c>AMBIENT_MAX_CONNECTIONS_PER_PEER</c>). Default 1,024; further ones are refused.</summary>
    public int MaxConnectionsPerPeer { get; set; } = 1_024;

    /// <summary>How long an unused pooled connection stays (<c>POOL_UNUSED_RELEASE_TIMEOUT</c>). Default 5 minutes.</summary>
    public TimeSpan PoolUnusedReleaseTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>TCP keepalive (<c>KEEPALIVE_ENABLED</c>). Default true.</summary>
    public bool KeepAlive { get; set; } = true;

    /// <summary>Idle time before the first keepalive probe (<c>KEEPALIVE_TIME</c>). Default 180 seconds.</summary>
    public TimeSpan KeepAliveTime { get; set; } = TimeSpan.FromSeconds(180);

    /// <summary>Time between keepalive probes (<c>KEEPALIVE_INTERVAL</c>). Default 180 seconds.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(180);

    /// <summary>Unanswered probes after which a connection is dead (<c>KEEPALIVE_RETRIES</c>). Default 9.</summary>
    public int KeepAliveRetries { get; set; } = 9;

    /// <summary>set TCP_USER_TIMEOUT to as long as keepalive takes (<c>USER_TIMEOUT_ENABLED</c>). Default false.</summary>
    public bool UserTimeout { get; set; }

    /// <summary>
    /// SOCKS5 on 127.0.0.1:15080 of each pod, dedicated and shared mode (<c>UNSTABLE_ENABLE_SOCKS5</c>). Default false. Loopback mode always has it, on
    /// each workload's address.
    /// </summary>
    public bool Socks5 { get; set; }

    /// <summary>
    /// Whether traffic is carried (<c>ENABLE_PROXY</c>). Default true. Without it only names are answered: nothing may be redirected to 15001 and 15006,
    /// because nobody listens there.
    /// </summary>
    public bool Proxy { get; set; } = true;

    /// <summary>
    /// Whether questions for names that are redirected to 15053 are answered, dedicated and shared mode (<c>ISTIO_META_DNS_CAPTURE</c>). Default
    /// true. Without it names of the mesh that are not in the cluster's DNS are not found.
    /// </summary>
    public bool Dns { get; set; } = true;

    /// <summary>Where they are answered (<c>ISTIO_META_DNS_PROXY_ADDR</c>); null: port 15053 of localhost. Default null.</summary>
    public IPEndPoint? DnsAddress { get; set; }

    /// <summary>Namespace whose service is meant by a name that several have, where nothing else decides (<c>PREFERED_SERVICE_NAMESPACE</c>); null: none.</summary>
    public string? PreferredServiceNamespace { get; set; }

    /// <summary>
    /// Threads that move bytes, 1 to 1,024 (<c>ZTUNNEL_WORKER_THREADS</c>, <c>ZTUNNEL_RESOURCE_CPU_LIMIT</c>). Default: the larger of two and a
    /// quarter of the processors. A connection stays on one thread: fewer than connections want processors make it wait, more cost memory.
    /// </summary>
    public int WorkerThreads { get; set; } = Options.WorkerThreads.Choose(null, Environment.ProcessorCount, 0, 0);

    /// <summary>Address of the admin endpoint, always a loopback one. Default 127.0.0.1.</summary>
    public IPAddress AdminAddress { get; set; } = IPAddress.Loopback;

    /// <summary>Port of the admin endpoint (<c>proxyAdminPort</c> of ProxyConfig), to which <see cref="NodeOptions.PortOffset"/> is added. Default 15000.</summary>
    public int AdminPort { get; set; } = DefaultAdminPort;

    /// <summary>Port of the metrics (<c>statsPort</c> of ProxyConfig), to which <see cref="NodeOptions.PortOffset"/> is added. Default 15020.</summary>
    public int StatsPort { get; set; } = DefaultStatsPort;

    /// <summary>Whether questions for names are answered: what loopback mode has no redirection for.</summary>
    internal bool AnswersNames => Dns && Mode != ZtunnelMode.Loopback;

    internal const int DnsPort = 15053;
    internal const int DefaultAdminPort = 15000;
    internal const int DefaultStatsPort = 15020;

    /// <summary>Settings that only ProxyConfig has: no variable is called so.</summary>
    internal const string AdminPortSetting = "proxyAdminPort";
    internal const string StatsPortSetting = "statsPort";

    /// <summary>What membership of the mesh takes of these settings.</summary>
    internal MeshRuntimeOptions ToMeshRuntime() => Host.ToMeshRuntime(impersonate: Mode != ZtunnelMode.Dedicated); // A dedicated proxy is the workload itself.
}

/// <summary>How a ztunnel catches connections.</summary>
public enum ZtunnelMode
{
    /// <summary>Each workload of the node has a loopback address; SOCKS5 and HBONE listen there. No namespaces, no root.</summary>
    Loopback,

    /// <summary>One workload, whose connections are redirected to our ports in its own network namespace.</summary>
    Dedicated,

    /// <summary>All pods of a node, each in its own network namespace, as the network plugin tells them. The reference's default.</summary>
    Shared,
}

/// <summary>The workload of dedicated mode.</summary>
/// <param name="Namespace">Kubernetes namespace.</param>
/// <param name="Name">Name of the pod.</param>
/// <param name="ServiceAccount">Service account.</param>
public sealed record ProxyWorkload(string Namespace, string Name, string ServiceAccount);
