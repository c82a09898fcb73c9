namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// Three network namespaces of our own, joined pairwise by veth: client 10.77.0.2, server 10.77.0.3, waypoint 10.77.0.4. In the
/// client's, connections to the server's ports 8080 and 5201 and to service addresses (10.96.0.0/16) are redirected into 15001, unless
/// they carry the proxy's mark. Nothing outside of the namespaces is touched.
/// </summary>
internal sealed class BenchNetwork : IAsyncDisposable
{
    internal const string ClientAddress = "10.77.0.2";
    internal const string ServerAddress = "10.77.0.3";
    internal const string WaypointAddress = "10.77.0.4";
    internal const int Mark = 1337;

    /// <summary>Name of the kernel's setting.</summary>
    private const string CongestionControl = "net.ipv4.tcp_congestion_control";

    private const string Prefix = "ambient-bench-";

    private readonly bool _redirected;

    private BenchNetwork(string name, bool redirected)
    {
        _redirected = redirected;
        Client = $"{Prefix}{name}-cl";
        Server = $"{Prefix}{name}-sv";
        Waypoint = $"{Prefix}{name}-wp";
        NodeOfClient = $"{Prefix}{name}-nc";
        NodeOfServer = $"{Prefix}{name}-ns";
    }

    internal string Client { get; }

    internal string Server { get; }

    internal string Waypoint { get; }

    /// <summary>Where a ztunnel in shared mode runs: joined to nothing.</summary>
    internal string NodeOfClient { get; }

    internal string NodeOfServer { get; }

    /// <summary>What a network's connections have unless it is told otherwise.</summary>
    internal static string SystemCongestion => File.ReadAllText("/proc/sys/net/ipv4/tcp_congestion_control").Trim();

    /// <summary>Makes one. Without redirection it is as the pods of a node without a mesh.</summary>
    internal static async Task<BenchNetwork> CreateAsync(SideBySideOptions options, CancellationToken cancellationToken, bool redirected = true)
    {
        await RemoveLeftOversAsync();
        var network = new BenchNetwork($"{Environment.ProcessId}-{(redirected ? "m" : "p")}", redirected);
        try
        {
            await network.BuildAsync(options.Congestion, cancellationToken);
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var ns in (string[])[Client, Server, Waypoint, NodeOfClient, NodeOfServer])
        {
            await RemoveAsync(ns);
        }
    }

    private async Task BuildAsync(string? congestion, CancellationToken cancellationToken)
    {
        foreach (var ns in (string[])[Client, Server, Waypoint, NodeOfClient, NodeOfServer])
        {
            await Shell.RunAsync($"ip netns add {ns}", cancellationToken);
            await Shell.RunAsync($"ip -n {ns} link set lo up", cancellationToken);

            // Tens of thousands of short connections in a row: ports must come back, in here only.
            await Shell.RunAsync(
                TimeSpan.FromSeconds(30),
                cancellationToken,
                ["ip", "netns", "exec", ns, "sysctl", "-q", "-w", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=16000 65000", "net.core.somaxconn=4096", .. congestion is null ? (string[])[] : [$"{CongestionControl}={congestion}"]]);
        }

        await JoinAsync(Client, Server, "sv", "cl", ClientAddress, ServerAddress, cancellationToken);
        await JoinAsync(Client, Waypoint, "wp", "cl", ClientAddress, WaypointAddress, cancellationToken);
        await JoinAsync(Waypoint, Server, "sv", "wp", WaypointAddress, ServerAddress, cancellationToken);
        await Shell.RunAsync($"ip -n {Client} route add 10.96.0.0/16 dev to-sv src {ClientAddress}", cancellationToken);
        if (!_redirected)
        {
            return;
        }

        await Shell.RunAsync($"{Redirect} -d {ServerAddress} -m multiport --dports 8080,5201 -j REDIRECT --to-ports 15001", cancellationToken);
        await Shell.RunAsync($"{Redirect} -d 10.96.0.0/16 -j REDIRECT --to-ports 15001", cancellationToken);
    }

    private string Redirect => $"ip netns exec {Client} iptables -t nat -A OUTPUT -p tcp -m mark ! --mark {Mark}/0xfff";

    private static async Task JoinAsync(string a, string b, string toB, string toA, string addressA, string addressB, CancellationToken cancellationToken)
    {
        await Shell.RunAsync($"ip link add to-{toB} netns {a} type veth peer name to-{toA} netns {b}", cancellationToken);
        foreach (var (ns, device, own, other) in new[] { (a, $"to-{toB}", addressA, addressB), (b, $"to-{toA}", addressB, addressA) })
        {
            await Shell.RunAsync($"ip -n {ns} addr add {own}/32 dev {device}", cancellationToken);
            await Shell.RunAsync($"ip -n {ns} link set {device} up", cancellationToken);
            await Shell.RunAsync($"ip -n {ns} route add {other}/32 dev {device} src {own}", cancellationToken);
        }
    }

    /// <summary>A run that was killed leaves its namespaces behind; their names tell whose they were.</summary>
    private static async Task RemoveLeftOversAsync()
    {
        foreach (var line in (await Shell.RunAsync("ip netns list", CancellationToken.None)).Split('\n'))
        {
            var name = line.Split(' ')[0];
            if (name.StartsWith(Prefix, StringComparison.Ordinal)
                && int.TryParse(name[Prefix.Length..].Split('-')[0], out var owner)
                && !Directory.Exists($"/proc/{owner}"))
            {
                await RemoveAsync(name);
            }
        }
    }

    private static async Task RemoveAsync(string ns)
    {
        if (!File.Exists($"/run/netns/{ns}"))
        {
            return;
        }

        try
        {
            // Whoever is still in there was started by us: nobody else knows the namespace.
            foreach (var pid in (await Shell.RunAsync($"ip netns pids {ns}", CancellationToken.None)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                await Shell.RunAsync($"kill -KILL {pid}", CancellationToken.None);
            }

            await Shell.RunAsync($"ip netns del {ns}", CancellationToken.None);
        }
        catch (InvalidOperationException e)
        {
            await Console.Error.WriteLineAsync($"bench: clean-up: {e.Message}");
        }
    }
}
