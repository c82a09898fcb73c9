using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Node.Sockets;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>
/// A cluster's network on one machine, made of network namespaces: one for each node and each pod. A pod is joined to its node by a
/// veth pair and routed, not bridged; nodes meet on a switch of their own. Nothing of it touches the machine's own network, and all of
/// it goes when this is disposed.
/// </summary>
internal sealed class ClusterNetwork : IAsyncDisposable
{
    private const string NodesPrefix = "172.31.255.";
    private const string NodesPrefixV6 = "fd31:255::";
    private const string PodsGateway = "169.254.1.1";
    private const string PodsGatewayV6 = "fe80::1";

    private readonly string _prefix;
    private readonly List<string> _nodes = [];
    private readonly Dictionary<string, PodNamespace> _open = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private int _links;

    private ClusterNetwork(string prefix) => _prefix = prefix;

    /// <summary>Makes the nodes. Namespaces of the same names are leftovers and are replaced.</summary>
    /// <param name="prefix">Begins the name of every namespace.</param>
    /// <param name="nodes">Names of the nodes.</param>
    /// <exception cref="InvalidOperationException">It cannot be made; the message says what the tools said.</exception>
    public static async Task<ClusterNetwork> CreateAsync(string prefix, params string[] nodes)
    {
        var network = new ClusterNetwork(prefix);
        try
        {
            await network.AddNodesAsync(nodes);
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <summary>Name of a node's or pod's namespace, for <c>ip netns exec</c>.</summary>
    public string NameOf(string nodeOrPod) => $"{_prefix}{nodeOrPod}";

    /// <summary>A node's or pod's namespace.</summary>
    public PodNamespace this[string nodeOrPod]
    {
        get
        {
            lock (_lock)
            {
                return _open[nodeOrPod];
            }
        }
    }

    /// <summary>Whether there is such a node or pod.</summary>
    public bool Has(string nodeOrPod)
    {
        lock (_lock)
        {
            return _open.ContainsKey(nodeOrPod);
        }
    }

    /// <summary>Makes a pod's network on a node: its addresses, and the way there from everywhere in the cluster.</summary>
    public Task AddPodAsync(string pod, string node, params IPAddress[] addresses) => AddPodsAsync([(pod, node, addresses)]);

    /// <summary>Makes the networks of several pods at once.</summary>
    public async Task AddPodsAsync(IReadOnlyList<(string Pod, string Node, IPAddress[] Addresses)> pods)
    {
        var script = new StringBuilder("set -e\n");
        foreach (var (pod, node, addresses) in pods)
        {
            AddPod(script, pod, node, addresses);
        }

        await ShellAsync(script.ToString());
        lock (_lock)
        {
            foreach (var (pod, _, _) in pods)
            {
                _open[pod] = PodNamespace.Open($"/run/netns/{NameOf(pod)}");
            }
        }
    }

    /// <summary>Takes a pod's network away.</summary>
    public async Task RemovePodAsync(string pod)
    {
        lock (_lock)
        {
            if (!_open.Remove(pod, out var network))
            {
                return;
            }

            network.Dispose();
        }

        await ShellAsync(Delete(NameOf(pod)));
    }

    /// <summary>Makes a socket inside.</summary>
    public Socket Socket(string nodeOrPod, AddressFamily family, SocketType type = SocketType.Stream, ProtocolType protocol = ProtocolType.Tcp) =>
        this[nodeOrPod].Run(() => new Socket(family, type, protocol));

    /// <summary>Connects from inside.</summary>
    public async Task<Socket> ConnectAsync(string nodeOrPod, IPEndPoint destination, CancellationToken cancellation)
    {
        var socket = Socket(nodeOrPod, destination.AddressFamily);
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(destination, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Listens inside.</summary>
    public Socket Listen(string nodeOrPod, IPEndPoint address)
    {
        var socket = Socket(nodeOrPod, address.AddressFamily);
        try
        {
            socket.Bind(address);
            socket.Listen(512);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Runs a script of nft inside.</summary>
    public Task NftAsync(string nodeOrPod, string script) => ShellAsync($"ip netns exec {NameOf(nodeOrPod)} nft -f - <<'NFT'\n{script}\nNFT\n");

    /// <summary>Gives a node or pod another address of its own, as a service that runs on the node itself has.</summary>
    public Task AddAddressAsync(string nodeOrPod, IPAddress address) =>
        ShellAsync($"ip -n {NameOf(nodeOrPod)} addr add {address}/{(address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)} dev lo");

    /// <summary>Removes every namespace.</summary>
    public async ValueTask DisposeAsync()
    {
        string[] names;
        lock (_lock)
        {
            names = [.. _open.Keys, "switch"];
            foreach (var network in _open.Values)
            {
                network.Dispose();
            }

            _open.Clear();
        }

        await ShellAsync(string.Concat(names.Select(name => Delete(NameOf(name)))));
    }

    private async Task AddNodesAsync(string[] nodes)
    {
        var fabric = NameOf("switch");
        var script = new StringBuilder("set -e\n");
        script.Append(Make(fabric)).Append($"ip -n {fabric} link add br0 type bridge\nip -n {fabric} link set br0 up\n");
        foreach (var node in nodes)
        {
            _nodes.Add(node);
            var (name, number) = (NameOf(node), _nodes.Count);
            script.Append(Make(name)).Append($"""
                ip netns exec {name} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0
                ip link add node{number} netns {fabric} type veth peer name nodes netns {name}
                ip -n {fabric} link set node{number} master br0 up
                ip -n {name} addr add {NodesPrefix}{number}/24 dev nodes
                ip -n {name} addr add {NodesPrefixV6}{number}/64 dev nodes nodad
                ip -n {name} link set nodes up

                """);
        }

        await ShellAsync(script.ToString());
        lock (_lock)
        {
            foreach (var node in nodes)
            {
                _open[node] = PodNamespace.Open($"/run/netns/{NameOf(node)}");
            }
        }
    }

    private void AddPod(StringBuilder script, string pod, string node, IPAddress[] addresses)
    {
        var (name, home, link) = (NameOf(pod), NameOf(node), $"pod{Interlocked.Increment(ref _links)}");
        var number = _nodes.IndexOf(node) + 1;
        script.Append(Make(name)).Append($"""
            ip link add eth0 netns {name} type veth peer name {link} netns {home}
            ip -n {home} addr add {PodsGateway}/32 dev {link}
            ip -n {home} addr add {PodsGatewayV6}/64 dev {link} nodad
            ip -n {home} link set {link} up

            """);
        foreach (var address in addresses)
        {
            var v4 = address.AddressFamily == AddressFamily.InterNetwork;
            script.AppendLine($"ip -n {name} addr add {address}/{(v4 ? "32" : "128")} dev eth0{(v4 ? "" : " nodad")}");
        }

        script.AppendLine($"ip -n {name} link set eth0 up");
        foreach (var v4 in addresses.Select(address => address.AddressFamily == AddressFamily.InterNetwork).Distinct())
        {
            script.AppendLine(v4
                ? $"ip -n {name} route add {PodsGateway} dev eth0 scope link\nip -n {name} route add default via {PodsGateway} dev eth0"
                : $"ip -n {name} -6 route add default via {PodsGatewayV6} dev eth0");
        }

        foreach (var address in addresses)
        {
            var v4 = address.AddressFamily == AddressFamily.InterNetwork;
            script.AppendLine($"ip -n {home} route replace {address} dev {link}");
            foreach (var other in _nodes.Where(other => other != node))
            {
                script.AppendLine($"ip -n {NameOf(other)} route replace {address} via {(v4 ? NodesPrefix : NodesPrefixV6)}{number}");
            }
        }
    }

    // Duplicate addresses cannot be, so nobody waits a second to look for them; answers may come by another way than questions went.
    private static string Make(string name) => $"""
        {Delete(name)}ip netns add {name}
        ip netns exec {name} sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
        ip -n {name} link set lo up

        """;

    private static string Delete(string name) => $"[ ! -e /run/netns/{name} ] || ip netns del {name}\n";

    private static async Task ShellAsync(string script)
    {
        var start = new ProcessStartInfo("sh", ["-s"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{start.Environment["PATH"]}:/usr/sbin:/sbin";
        using var shell = Process.Start(start)!;
        var error = shell.StandardError.ReadToEndAsync();
        var output = shell.StandardOutput.ReadToEndAsync();
        try
        {
            await shell.StandardInput.WriteAsync(script);
            shell.StandardInput.Close();
        }
        catch (IOException)
        {
            // It gave up before the end: what it says about that comes below.
        }

        await shell.WaitForExitAsync();
        if (shell.ExitCode != 0)
        {
            throw new InvalidOperationException($"network namespaces: {(await error).Trim()}{(await output).Trim()}");
        }
    }
}
