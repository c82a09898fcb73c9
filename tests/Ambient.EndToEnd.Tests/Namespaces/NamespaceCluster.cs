using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.EndToEnd.Tests.Ztunnel;
using Ambient.Node.Capture.PodNetwork;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;
using Ambient.Samples.Bookinfo.Walkthrough.Namespaces;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>How captured pods are served.</summary>
internal enum CaptureMode
{
    /// <summary>By the one ztunnel of their node, which is handed their namespaces.</summary>
    Shared,

    /// <summary>Each by a ztunnel of its own, inside.</summary>
    Dedicated,
}

/// <summary>
/// A cluster of network namespaces as the original's own tests have it (<c>tests/namespaced.rs</c>): pods on nodes, echo
/// servers in them, redirection as on a real node, ztunnels as processes, and a mesh in the local format.
/// </summary>
internal sealed class NamespaceCluster : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static int s_count;

    private readonly CaptureMode _mode;
    private readonly Dictionary<string, ClusterPod> _pods = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ZtunnelProcess> _ztunnels = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ZdsServer> _agents = new(StringComparer.Ordinal);
    private readonly List<IAsyncDisposable> _servers = [];
    private readonly StringBuilder _services = new();
    private readonly StringBuilder _policies = new();

    private NamespaceCluster(CaptureMode mode, ClusterNetwork network)
    {
        _mode = mode;
        Network = network;
    }

    /// <summary>Nodes and pods.</summary>
    public ClusterNetwork Network { get; }

    /// <summary>Where the mesh, the authority and sockets are.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("ambient-ns-").FullName;

    /// <summary>The authority of the cluster, whose root ztunnels use, too.</summary>
    public TestAuthority Authority { get; } = new();

    /// <summary>Settings of every ztunnel that is started from now on.</summary>
    public Dictionary<string, string> Settings { get; } = new()
    {
        ["RUST_LOG"] = "info,access=debug",
        ["TERMINATION_GRACE_PERIOD_SECONDS"] = "5",
    };

    /// <summary>Settings of single nodes' ztunnels, over those of all.</summary>
    public Dictionary<string, Dictionary<string, string>> NodeSettings { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether this machine and user can have network namespaces.</summary>
    public static bool CanRun => OperatingSystem.IsLinux() && Environment.UserName == "root" && File.Exists("/usr/sbin/nft");

    /// <summary>Skips the test where there can be none.</summary>
    public static void SkipIfImpossible() => Skip.IfNot(CanRun, "network namespaces need root on Linux, and nftables");

    /// <summary>Makes the nodes, or skips the test where that is not possible.</summary>
    public static async Task<NamespaceCluster> CreateAsync(CaptureMode mode, params string[] nodes)
    {
        SkipIfImpossible();
        var prefix = string.Create(CultureInfo.InvariantCulture, $"ambient-ns-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}-");
        try
        {
            return new NamespaceCluster(mode, await ClusterNetwork.CreateAsync(prefix, nodes.Length > 0 ? nodes : ["node-1", "node-2"]));
        }
        catch (InvalidOperationException e) when (e.Message.Contains("Operation not permitted", StringComparison.Ordinal))
        {
            Skip.If(true, $"network namespaces are not allowed here: {e.Message}");
            throw;
        }
    }

    /// <summary>Adds pods: their networks, and themselves in the mesh.</summary>
    public async Task<NamespaceCluster> WithPodsAsync(params ClusterPod[] pods)
    {
        await Network.AddPodsAsync([.. pods.Select(pod => (pod.Name, pod.Node, pod.Addresses))]);
        foreach (var pod in pods)
        {
            _pods[pod.Name] = pod;
        }

        return this;
    }

    /// <summary>Adds a service, as an entry of the local format.</summary>
    public NamespaceCluster WithService(string yaml)
    {
        _services.Append(Entry(yaml));
        return this;
    }

    /// <summary>Adds a policy, as an entry of the local format.</summary>
    public NamespaceCluster WithPolicy(string yaml)
    {
        _policies.Append(Entry(yaml));
        return this;
    }

    /// <summary>
    /// The mesh becomes a watched folder of manifests with the pods in it, and what is given; <see cref="ApplyAsync"/> changes it while
    /// ztunnels run.
    /// </summary>
    public async Task<NamespaceCluster> WithManifestsAsync(params (string Name, string Yaml)[] manifests)
    {
        Directory.CreateDirectory(ManifestFolder);
        Settings["AMBIENT_MANIFESTS"] = ManifestFolder;
        foreach (var (name, yaml) in manifests.Concat(_pods.Values.Select(pod => ($"pod-{pod.Name}", pod.ToManifest()))))
        {
            await ApplyAsync(name, yaml);
        }

        return this;
    }

    /// <summary>Writes a manifest, whole or not at all; without text it is removed.</summary>
    public async Task ApplyAsync(string name, string? yaml)
    {
        var file = Path.Combine(ManifestFolder, $"{name}.yaml");
        if (yaml is null)
        {
            File.Delete(file);
            return;
        }

        var staged = Path.Combine(Folder, $"{name}.staged");
        await File.WriteAllTextAsync(staged, yaml);
        File.Move(staged, file, overwrite: true);
    }

    /// <summary>Serves an echo on 8080 of a pod: every byte comes back twice.</summary>
    public NamespaceCluster WithEcho(params string[] pods)
    {
        foreach (var pod in pods)
        {
            foreach (var address in _pods[pod].Addresses)
            {
                Own(Echoes[pod] = new EchoServer(Network.Listen(pod, new IPEndPoint(address, 8080))));
            }
        }

        return this;
    }

    /// <summary>Echo servers by pod.</summary>
    public Dictionary<string, EchoServer> Echoes { get; } = new(StringComparer.Ordinal);

    /// <summary>Keeps something that serves, to be disposed with the cluster.</summary>
    public T Own<T>(T server)
        where T : IAsyncDisposable
    {
        _servers.Add(server);
        return server;
    }

    /// <summary>Writes the mesh, starts the ztunnels of all captured pods and redirects them.</summary>
    public async Task<NamespaceCluster> StartAsync()
    {
        Authority.SaveRoot(Path.Combine(Folder, "ca"));
        if (_mode == CaptureMode.Shared)
        {
            await WithPodsAsync([.. _pods.Values.Where(pod => pod.Captured).Select(pod => pod.Node).Distinct().Select(ZtunnelPod)]);
        }

        await File.WriteAllTextAsync(MeshFile, Mesh());
        var captured = _pods.Values.Where(pod => pod.Captured).ToList();
        if (_mode == CaptureMode.Dedicated)
        {
            foreach (var pod in captured)
            {
                _ztunnels[pod.Name] = StartZtunnel(pod.Name, DedicatedSettings(pod));
            }

            await Task.WhenAll(_ztunnels.Values.Select(ztunnel => ztunnel.ReadyAsync()));
        }
        else
        {
            foreach (var node in captured.Select(pod => pod.Node).Distinct())
            {
                _agents[node] = ZdsServer.Listen(AgentSocket(node), TimeProvider.System, NullLogger.Instance);
                _ztunnels[node] = StartZtunnel(ZtunnelPod(node).Name, SharedSettings(node));
            }

            foreach (var pod in captured)
            {
                await AnnounceAsync(pod);
            }

            await Task.WhenAll(_agents.Keys.Select(node => ServesItsPodsAsync(ZtunnelPod(node).Name, _ztunnels[node])));
        }

        await Task.WhenAll(captured.Select(pod => PodRedirection.InstallAsync(Network[pod.Name], PodCapture.All, CancellationToken.None)));
        return this;
    }

    /// <summary>Lets a node's own processes reach pods as kubelets do.</summary>
    public Task InstallProbesAsync(string node, params string[] pods) => Network.NftAsync(node, ProbeRules.Install([.. pods.Select(IPAddress.Parse)]));

    /// <summary>Tells a pod's ztunnel of it.</summary>
    public Task<string?> AnnounceAsync(ClusterPod pod) => _agents[pod.Node].AddAsync(
        new ZdsPod(pod.Name, ClusterPod.Namespace, pod.Name, pod.ServiceAccount, Network[pod.Name]), CancellationToken.None);

    /// <summary>Tells a pod's ztunnel that it is gone.</summary>
    public Task<IReadOnlyList<string>> WithdrawAsync(string pod) => _agents[_pods[pod].Node].DeleteAsync(pod, CancellationToken.None);

    /// <summary>The ztunnel that serves a pod.</summary>
    public ZtunnelProcess ZtunnelOf(string pod) => _ztunnels[_mode == CaptureMode.Dedicated ? pod : _pods[pod].Node];

    /// <summary>
    /// Starts another ztunnel beside that of a node, as the next version of a DaemonSet comes up. It is the node's from here; the old one is
    /// returned, and is still the cluster's.
    /// </summary>
    public async Task<ZtunnelProcess> ReplaceZtunnelAsync(string node)
    {
        var old = _ztunnels[node];
        Own(old);

        // Another pod, another address; who it is the mesh need not know for what it does.
        var pod = ZtunnelPod(node) with { Name = $"ztunnel-{node}-next", IPs = [ZtunnelAddress(node).Replace(".9.", ".10.", StringComparison.Ordinal)] };
        await Network.AddPodAsync(pod.Name, node, pod.Addresses);
        _ztunnels[node] = StartZtunnel(pod.Name, SharedSettings(node));
        await ServesItsPodsAsync(pod.Name, _ztunnels[node]);
        return old;
    }

    /// <summary>Address of a node's ztunnel's own pod.</summary>
    public static string ZtunnelAddress(string node) => $"10.77.9.{node[^1]}";

    private static ClusterPod ZtunnelPod(string node) => new($"ztunnel-{node}", node, false, "", ZtunnelAddress(node)) { Protocol = "HBONE" };

    /// <summary>The metrics of a pod's ztunnel.</summary>
    public async Task<MetricsText> MetricsOfAsync(string pod)
    {
        using var client = HttpFrom(_mode == CaptureMode.Dedicated ? pod : ZtunnelPod(_pods[pod].Node).Name);
        return MetricsText.Parse(await client.GetStringAsync(new Uri("http://127.0.0.1:15020/metrics")));
    }

    /// <summary>Asks the admin endpoint of a pod's ztunnel.</summary>
    public async Task<string> AdminAsync(string pod, string path)
    {
        using var client = HttpFrom(_mode == CaptureMode.Dedicated ? pod : ZtunnelPod(_pods[pod].Node).Name);
        return await client.GetStringAsync(new Uri($"http://127.0.0.1:15000{path}"));
    }

    /// <summary>Waits for a line of the access log of a pod's ztunnel.</summary>
    public async Task<AccessLogLine> AccessAsync(string pod, Func<AccessLogLine, bool> wanted)
    {
        var ztunnel = ZtunnelOf(pod);
        AccessLogLine? found = null;
        await ztunnel.WaitForLineAsync(line => AccessLogLine.Parse(line) is { } entry && wanted(entry) && (found = entry) is not null, $"access log line of {pod}");
        return found!;
    }

    /// <summary>A client of HTTP in a place's network.</summary>
    public HttpClient HttpFrom(string place) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = async (to, cancellation) => new NetworkStream(
            await Network.ConnectAsync(place, new IPEndPoint(IPAddress.Parse(to.DnsEndPoint.Host.Trim('[', ']')), to.DnsEndPoint.Port), cancellation), ownsSocket: true),
    })
    {
        Timeout = TimeSpan.FromSeconds(20),
    };

    /// <summary>Connects from a pod.</summary>
    public async Task<Socket> ConnectAsync(string pod, string address, int port)
    {
        using var limit = new CancellationTokenSource(s_patience);
        return await Network.ConnectAsync(pod, new IPEndPoint(IPAddress.Parse(address), port), limit.Token);
    }

    /// <summary>Calls an echo server once and returns what came back, until it has so many bytes or the other side ends.</summary>
    public async Task<string> CallAsync(string pod, string address, int port = 8080, string text = "hello world", int expected = 22)
    {
        using var socket = await ConnectAsync(pod, address, port);
        return await Exchange.RunAsync(socket, text, expected);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var ztunnel in _ztunnels.Values)
        {
            await ztunnel.DisposeAsync();
        }

        foreach (var agent in _agents.Values)
        {
            await agent.DisposeAsync();
        }

        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        await Network.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private string ManifestFolder => Path.Combine(Folder, "manifests");

    private string MeshFile => Path.Combine(Folder, "mesh.yaml");

    private string AgentSocket(string node) => Path.Combine(Folder, $"{node}.sock");

    private Dictionary<string, string> DedicatedSettings(ClusterPod pod) => new(Settings)
    {
        ["PROXY_MODE"] = "dedicated",
        ["PROXY_WORKLOAD_INFO"] = $"{ClusterPod.Namespace}/{pod.Name}/{pod.ServiceAccount}",
        ["PACKET_MARK"] = $"{PodRules.Mark}",
        ["NODE_NAME"] = pod.Node,
    };

    private Dictionary<string, string> SharedSettings(string node) => new(Settings.Concat(NodeSettings.GetValueOrDefault(node) ?? []))
    {
        ["PROXY_MODE"] = "shared",
        ["INPOD_UDS"] = AgentSocket(node),
        ["NODE_NAME"] = node,
        ["POD_NAME"] = ZtunnelPod(node).Name,
        ["POD_NAMESPACE"] = ClusterPod.Namespace,
        ["SERVICE_ACCOUNT"] = ZtunnelPod(node).ServiceAccount,
    };

    // Started is not yet ready: that it is when the network plugin has told it of all pods, and it listens in them.
    private async Task ServesItsPodsAsync(string place, ZtunnelProcess ztunnel)
    {
        await ztunnel.ReadyAsync();
        using var client = HttpFrom(place);
        var from = Stopwatch.GetTimestamp();
        while (true)
        {
            using var response = await client.GetAsync(new Uri("http://127.0.0.1:15021/healthz/ready"));
            if (response.IsSuccessStatusCode)
            {
                return;
            }

            Assert.True(Stopwatch.GetElapsedTime(from) < s_patience, $"not ready: {await response.Content.ReadAsStringAsync()}\n{string.Join('\n', ztunnel.Lines)}");
            await Task.Delay(20);
        }
    }

    private ZtunnelProcess StartZtunnel(string place, Dictionary<string, string> settings)
    {
        if (!settings.ContainsKey("AMBIENT_MANIFESTS"))
        {
            settings.TryAdd("LOCAL_XDS_PATH", MeshFile);
        }

        settings.TryAdd("AMBIENT_CA_DIR", Path.Combine(Folder, "ca"));
        return ZtunnelProcess.Start(Network.NameOf(place), settings);
    }

    private string Mesh() =>
        $"workloads:\n{string.Concat(_pods.Values.Select(pod => Entry(pod.ToYaml())))}"
        + (_services.Length > 0 ? $"services:\n{_services}" : "")
        + (_policies.Length > 0 ? $"policies:\n{_policies}" : "");

    private static string Entry(string yaml) => $"- {yaml.Trim().ReplaceLineEndings("\n  ")}\n";
}
