using Ambient.Node.Capture.PodNetwork;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// Shared mode, as on a cluster: a ztunnel for each of two nodes, handed the pods' namespaces by a network plugin; and HAProxy's pair in the
/// same namespaces. The redirection, which would capture HAProxy as well, is there in our turns only.
/// </summary>
internal sealed class InPodSection(SideBySideOptions options, Figures figures, string folder, CancellationToken cancellationToken)
{
    internal const string Ours = "ztunnel in pods";
    internal const string Theirs = "haproxy in pods";

    internal async Task RunAsync()
    {
        await using var network = await BenchNetwork.CreateAsync(options, cancellationToken, redirected: false);
        var backends = await Backends.StartAsync(network, Directory.CreateDirectory(Path.Combine(folder, "inpod")).FullName, cancellationToken);
        try
        {
            var contenders = new List<Contender>();
            using var pods = new InPodPair(network, folder, options);
            try
            {
                if (options.Contenders.Contains(HaproxyPair.Name))
                {
                    contenders.Add(await HaproxyPair.StartAsync(network, folder, cancellationToken, Theirs));
                }

                if (options.Contenders.Contains(ZtunnelPair.Name))
                {
                    contenders.Add(await pods.StartAsync(Ours, cancellationToken));
                }

                await MeasureAsync(new PairSections(options, new Loads(network.Client, options.Seconds, cancellationToken), figures, network.Client, cancellationToken), contenders);
            }
            finally
            {
                foreach (var contender in contenders)
                {
                    await contender.DisposeAsync();
                }
            }
        }
        finally
        {
            foreach (var backend in backends)
            {
                await backend.DisposeAsync();
            }
        }
    }

    internal static void Report(Report report)
    {
        report.Begin("Shared mode, in pods", Ours, Theirs, "ratio", "target");
        report.Pair(Ours, Theirs);
    }

    private async Task MeasureAsync(PairSections pair, List<Contender> contenders)
    {
        await Task.Delay(PairSections.Rest, cancellationToken);
        pair.Resident(contenders, "at rest");
        await pair.ThroughputAsync(contenders);
        await pair.RequestsAsync(contenders);
        await pair.ConnectionsAsync(contenders);
        await pair.ResidentAfterAsync(contenders);
    }
}

/// <summary>Two ztunnels in shared mode, each in a namespace of its own without any way out, as they need none: their sockets are in pods.</summary>
internal sealed class InPodPair(BenchNetwork network, string folder, SideBySideOptions options) : IDisposable
{
    private readonly PodNamespace _client = PodNamespace.Open($"/run/netns/{network.Client}");
    private readonly PodNamespace _server = PodNamespace.Open($"/run/netns/{network.Server}");
    private readonly List<IAsyncDisposable> _owned = [];

    internal async Task<Contender> StartAsync(string name, CancellationToken cancellationToken)
    {
        var local = Path.Combine(folder, "inpod.yaml");
        await File.WriteAllTextAsync(local, $$"""
            workloads:
            {{ZtunnelPair.Workload("client", BenchNetwork.ClientAddress, "node-client")}}
            {{ZtunnelPair.Workload("server", BenchNetwork.ServerAddress, "node-server")}}
            """, cancellationToken);
        var contender = new Contender(
            name,
            [
                await NodeAsync("client", network.NodeOfClient, _client, local, cancellationToken),
                await NodeAsync("server", network.NodeOfServer, _server, local, cancellationToken),
            ],
            BenchNetwork.ServerAddress,
            Backends.Http,
            BenchNetwork.ServerAddress,
            Backends.Bulk)
        {
            Turn = (() => CaptureAsync(cancellationToken), ReleaseAsync),
        };
        await CaptureAsync(cancellationToken);
        try
        {
            await contender.Processes[0].ReadyAsync(
                () => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -m 5 -o /dev/null {contender.Url}", cancellationToken), cancellationToken);
            return contender;
        }
        catch
        {
            await contender.DisposeAsync();
            throw;
        }
        finally
        {
            await ReleaseAsync();
        }
    }

    public void Dispose()
    {
        foreach (var owned in _owned)
        {
            owned.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        _client.Dispose();
        _server.Dispose();
    }

    private async Task<BenchProcess> NodeAsync(string pod, string ns, PodNamespace podNetwork, string local, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, $"{pod}.sock");
        var plugin = ZdsServer.Listen(path, TimeProvider.System, NullLogger.Instance);
        _owned.Add(plugin);
        await plugin.AddAsync(new ZdsPod(pod, "bench", pod, pod, podNetwork), cancellationToken);
        var ztunnel = BenchProcess.Start(
            ns,
            $"inpod-{pod}",
            folder,
            new Dictionary<string, string>
            {
                ["PROXY_MODE"] = "shared",
                ["NODE_NAME"] = $"node-{pod}",
                ["INPOD_UDS"] = path,
                ["LOCAL_XDS_PATH"] = local,
                ["AMBIENT_CA_DIR"] = Path.Combine(folder, "ca"),
            },
            options.Host("ztunnel"));
        await ztunnel.ReadyAsync(() => Shell.RunAsync($"ip netns exec {ns} curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready", cancellationToken), cancellationToken);
        return ztunnel;
    }

    private async Task CaptureAsync(CancellationToken cancellationToken)
    {
        await PodRedirection.InstallAsync(_client, PodCapture.All, cancellationToken);
        await PodRedirection.InstallAsync(_server, PodCapture.All, cancellationToken);
    }

    private async Task ReleaseAsync()
    {
        await PodRedirection.RemoveAsync(_client, CancellationToken.None);
        await PodRedirection.RemoveAsync(_server, CancellationToken.None);
    }
}
