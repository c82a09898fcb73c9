using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;
using Ambient.Samples.Bookinfo.Walkthrough.Report;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>
/// Every node and pod in a network namespace of its own, with what a cluster has besides: a way from service addresses to pods, a
/// name server, and a network plugin that enrols pods with their node's ztunnel. Follows the mesh by itself.
/// </summary>
internal sealed class NamespaceNetwork : IClusterNetwork
{
    private const string Prefix = "bookinfo-";
    private static readonly string[] s_nodes = ["node-a", "node-b"];
    private static readonly IPAddress s_dns = IPAddress.Parse("10.96.0.10");

    private readonly Narrator _tell;
    private readonly SemaphoreSlim _changing = new(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, NodeAgent> _agents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Workload> _pods = new(StringComparer.Ordinal);
    private ClusterNetwork _network = null!;
    private ResolverFiles _resolvers = null!;
    private ClusterDns? _dns;
    private IDisposable? _watch;
    private string _services = "";

    private NamespaceNetwork(Narrator tell) => _tell = tell;

    public IPNetwork PodRange { get; } = IPNetwork.Parse("10.244.0.0/16");

    public IPNetwork ServiceRange { get; } = IPNetwork.Parse("10.96.0.0/16");

    public bool ZtunnelCarriesOutsiders => false;

    public IReadOnlyDictionary<string, string> PodSettings { get; } = new Dictionary<string, string> { ["MESH_PROXY"] = "none" };

    /// <summary>Why it cannot be made here; null when it can.</summary>
    public static string? FindProblem()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            return "--netns gives every pod a network namespace of its own, and making those takes root on Linux: sudo ./build.sh demo --netns. Without --netns nobody needs root.";
        }

        foreach (var (tool, package) in ((string, string)[])[("nft", "nftables"), ("ip", "iproute2"), ("curl", "curl")])
        {
            if (!((string[])["/usr/sbin", "/sbin", "/usr/bin", "/bin"]).Any(folder => File.Exists(Path.Combine(folder, tool))))
            {
                return $"--netns needs {tool}, which is missing: apt-get install {package}";
            }
        }

        return null;
    }

    /// <summary>Makes nodes and what runs on them besides ztunnel.</summary>
    public static async Task<NamespaceNetwork> CreateAsync(string runFolder, Narrator tell)
    {
        var made = new NamespaceNetwork(tell);
        try
        {
            made._resolvers = new ResolverFiles(s_dns, "default");
            made._network = await ClusterNetwork.CreateAsync(Prefix, s_nodes);
            foreach (var node in s_nodes)
            {
                made._resolvers.Write(made._network.NameOf(node));
                await made._network.AddAddressAsync(node, s_dns);
                made._agents[node] = new NodeAgent(node, made._network, Path.Combine(runFolder, $"cni-{node}.sock"), new NarratorLogger(tell));
            }

            return made;
        }
        catch
        {
            await made.DisposeAsync();
            throw;
        }
    }

    /// <summary>Begins to follow the mesh.</summary>
    public void Follow(IMeshSnapshotProvider mesh)
    {
        _dns = new ClusterDns(mesh, [.. s_nodes.Select(node =>
        {
            var socket = _network.Socket(node, AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(s_dns, 53));
            return socket;
        })]);
        _watch = mesh.OnChange(snapshot => _ = FollowAsync(mesh));
    }

    public IReadOnlyDictionary<string, string> ZtunnelSettings(string node) => new Dictionary<string, string>
    {
        ["PROXY_MODE"] = "shared",
        ["INPOD_UDS"] = _agents[node].SocketPath,
    };

    public async Task UpdateAsync(MeshSnapshot mesh, CancellationToken cancellation)
    {
        await _changing.WaitAsync(cancellation);
        try
        {
            // Every pod has a place on one of the nodes, whatever its manifest says.
            var wanted = mesh.Workloads.Values.Where(pod => pod.Addresses.Length > 0).ToDictionary(pod => pod.Name, StringComparer.Ordinal);
            foreach (var gone in _pods.Keys.Where(name => !wanted.ContainsKey(name)).ToList())
            {
                _pods.Remove(gone);
                await UpdateAgentsAsync(mesh, cancellation);
                await _network.RemovePodAsync(gone);
                _resolvers.Remove(_network.NameOf(gone));
            }

            var added = wanted.Values.Where(pod => !_pods.ContainsKey(pod.Name)).ToList();
            foreach (var pod in added)
            {
                _resolvers.Write(_network.NameOf(pod.Name));
                _pods[pod.Name] = pod;
            }

            if (added.Count > 0)
            {
                await _network.AddPodsAsync([.. added.Select(pod => (pod.Name, NodeOf(pod), pod.Addresses.ToArray()))]);
            }

            if (ServiceRules.For(mesh) is var services && services != _services)
            {
                await Task.WhenAll(s_nodes.Select(node => _network.NftAsync(node, services)));
                _services = services;
            }

            await UpdateAgentsAsync(mesh, cancellation);
        }
        finally
        {
            _changing.Release();
        }
    }

    public IReadOnlyList<string> CommandAt(string place, params IEnumerable<string> command) =>
        ["ip", "netns", "exec", _network.NameOf(place), .. command];

    public HostPorts NextPorts(string place) => new(0);

    public bool IsFree(string place, IPAddress address, int port)
    {
        try
        {
            _network.Listen(place, new IPEndPoint(address, port)).Dispose();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public Task<Socket> ConnectFromAsync(string place, IPEndPoint destination, CancellationToken cancellation) =>
        _network.ConnectAsync(place, destination, cancellation);

    public Task<Socket> ProbeAsync(IPEndPoint pod, CancellationToken cancellation) =>
        _network.ConnectAsync(NodeOf(PodAt(pod.Address)), pod, cancellation);

    public PacketPeek? Peek(IPEndPoint pod) => PacketPeek.TryStart(() => _network[PodAt(pod.Address).Name].Run(PacketPeek.RawSocket), pod);

    public PodClient ClientAt(Workload pod) => new CurlPodClient(pod.WorkloadName, _network.NameOf(pod.Name));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _watch?.Dispose();
        await _changing.WaitAsync();
        foreach (var agent in _agents.Values)
        {
            await agent.DisposeAsync();
        }

        if (_dns is not null)
        {
            await _dns.DisposeAsync();
        }

        if (_network is not null)
        {
            await _network.DisposeAsync();
        }

        _resolvers?.Dispose();
        _stop.Dispose();
    }

    private static string NodeOf(Workload pod) => s_nodes.Contains(pod.Node) ? pod.Node : s_nodes[0];

    private Workload PodAt(IPAddress address) => _pods.Values.First(pod => pod.Addresses.Contains(address));

    private async Task UpdateAgentsAsync(MeshSnapshot mesh, CancellationToken cancellation)
    {
        foreach (var agent in _agents.Values)
        {
            await agent.UpdateAsync(mesh, cancellation);
        }
    }

    private async Task FollowAsync(IMeshSnapshotProvider mesh)
    {
        try
        {
            await UpdateAsync(mesh.Current, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            // On the way out.
        }
        catch (Exception problem)
        {
            // The next change tries again; what is missing until then shows in the steps.
            _tell.Note($"the network is not what the mesh says: {problem.Message}");
        }
    }
}
