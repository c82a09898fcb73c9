using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Ambient.Hbone.Connect;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>The waypoint's program in the pod that istiod makes, with nothing but the image changed.</summary>
[Trait("Needs", "Root")]
public sealed class PodOfIstiodTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Vip = "10.9.0.1";

    [SkippableFact]
    public async Task Waypoint_IsReadyWithIstiodsConfiguration_OutlivesIstiod_AndEndsWhenItIsAsked()
    {
        NamespaceCluster.SkipIfImpossible();
        Skip.IfNot(File.Exists("/usr/bin/setpriv") && File.Exists("/usr/bin/unshare"), "mount namespaces need unshare and setpriv");
        var (pod, istiodPod) = (Pod("inner-1", "10.79.31.2"), Pod("istiod", "10.79.31.9"));
        await using var cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared, "node-1");
        await cluster.WithPodsAsync(pod, istiodPod, Pod("web", "10.79.31.3"), Pod("client", "10.79.31.4"));
        using var serving = new CancellationTokenSource();
        var backend = ServeAsync(cluster.Network.Listen("web", new IPEndPoint(IPAddress.Parse("10.79.31.3"), 8080)), serving.Token);
        var listeners = new TaskCompletionSource();
        var istiod = await IstiodInPod.StartAsync(cluster, istiodPod, request => request.TypeUrl == EnvoyTypes.Listener && !listeners.Task.IsCompleted ? null : Answer(request));

        var host = IstiodPod.Start(cluster, pod, "waypoint", "ns", "inner", istiodPod.IPs[0], istiod.Server.RootFile);

        // Clusters came and listeners did not: alive, not ready.
        await istiod.Server.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Listener);
        Assert.Contains("not ready", await host.AnswersAsync(15021, "/healthz/ready", 500), StringComparison.Ordinal);
        Assert.Equal(500, (await host.AskAsync(15020, "/healthz/ready")).Status);
        Assert.Equal((503, "INITIALIZING\n"), await host.AskAsync(15000, "/ready"));
        listeners.SetResult();
        istiod.Server.Discovery.Push(Answer(new DeltaDiscoveryRequest { TypeUrl = EnvoyTypes.Listener })!);
        await host.AnswersAsync(15021, "/healthz/ready", 200);
        await host.AnswersAsync(15020, "/healthz/ready", 200);
        await host.AnswersAsync(15000, "/ready", 200);

        // Who it is: user, rights, mounts, and what istiod and its authority were told.
        Assert.Equal("1337\t1337\t1337\t1337", host.Status("Uid"));
        Assert.Equal("0000000000000000", host.Status("CapBnd"));
        Assert.False(host.IsWritable("/"));
        Assert.True(host.IsWritable("/etc/istio/proxy"));
        var node = (await istiod.Server.Discovery.WaitAsync(request => request.Node is not null)).Node;
        Assert.Equal("waypoint~10.79.31.2~inner-1.ns~ns.svc.cluster.local", node.Id);
        Assert.Equal("inner", node.Metadata.Fields["LABELS"].StructValue.Fields["gateway.networking.k8s.io/gateway-name"].StringValue);
        Assert.False(node.Metadata.Fields["LABELS"].StructValue.Fields.ContainsKey("pod-template-hash"));
        Assert.Equal("Bearer token-of-the-pod", istiod.Server.Discovery.Headers!.GetValue("authorization"));
        Assert.Equal("Bearer token-of-the-pod", istiod.Server.Certificates.Requests[0].Headers.GetValue("authorization"));

        // What it does, and how it tells of it.
        Assert.StartsWith("HTTP/1.1 200", await CallAsync(cluster, "friend"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 403", await CallAsync(cluster, "stranger"), StringComparison.Ordinal);
        foreach (var (port, from) in new[] { (15020, "client"), (15090, "client"), (15000, null) })
        {
            Assert.Contains("istio_requests_total", (await host.AskAsync(port, "/stats/prometheus", from)).Body, StringComparison.Ordinal);
        }

        using (var dump = JsonDocument.Parse((await host.AskAsync(15000, "/config_dump?include_eds")).Body))
        {
            var text = dump.RootElement.GetRawText();
            Assert.Contains("\"main_internal\"", text, StringComparison.Ordinal);
            Assert.Contains("\"10.79.31.3\"", text, StringComparison.Ordinal);
            Assert.DoesNotContain("PRIVATE KEY", text, StringComparison.Ordinal);
        }

        // istiod goes and comes again while requests flow: none is lost, and readiness does not waver.
        await using (var load = new Load(cluster))
        {
            await load.MoreAsync(20);
            await istiod.StopAsync();
            await load.MoreAsync(100);
            Assert.Equal(200, (await host.AskAsync(15021, "/healthz/ready")).Status);
            await istiod.StartAgainAsync();
            await istiod.Server.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Listener && request.ResponseNonce.Length > 0);
            await load.MoreAsync(100);
            Assert.Equal(200, (await host.AskAsync(15021, "/healthz/ready")).Status);
            Assert.Empty(load.Lost);
        }

        // The pod alone may have it drained and ended.
        Assert.Equal(403, (await host.AskAsync(15020, "/drain", "client", HttpMethod.Post)).Status);
        Assert.Equal(403, (await host.AskAsync(15020, "/quitquitquit", "client", HttpMethod.Post)).Status);
        Assert.Equal(405, (await host.AskAsync(15020, "/drain")).Status);
        Assert.Equal(200, (await host.AskAsync(15020, "/drain", null, HttpMethod.Post)).Status);
        Assert.Equal(500, (await host.AskAsync(15021, "/healthz/ready")).Status);
        Assert.StartsWith("HTTP/1.1 200", await CallAsync(cluster, "friend"), StringComparison.Ordinal);
        Assert.Equal(200, (await host.AskAsync(15020, "/quitquitquit", null, HttpMethod.Post)).Status);
        Assert.Equal(0, await host.ExitAsync());
        await serving.CancelAsync();
        await backend;
    }

    [SkippableFact]
    public async Task Gateway_ServesIstiodsListeners_AtPortsBelow1024_AsUser1337()
    {
        NamespaceCluster.SkipIfImpossible();
        Skip.IfNot(File.Exists("/usr/bin/setpriv") && File.Exists("/usr/bin/unshare"), "mount namespaces need unshare and setpriv");
        var recording = GoldenFolder.Require("http", "gateway-listeners", "xds", "gateway");
        var (node, name) = RecordedIstiod.NodeOf(recording);
        var (pod, istiodPod) = (Pod(name, "10.79.32.2"), Pod("istiod", "10.79.32.9"));
        await using var cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared, "node-1");
        await cluster.WithPodsAsync(pod, istiodPod);

        // As istiod has it in the pod's securityContext.
        await Ztunnel.Command.RunAsync("ip", "netns", "exec", cluster.Network.NameOf(name), "sysctl", "-q", "-w", "net.ipv4.ip_unprivileged_port_start=0");
        var istiod = await IstiodInPod.StartAsync(cluster, istiodPod, request => RecordedIstiod.Answer(recording, request));

        // The recording's addresses are of the loopback.
        var host = IstiodPod.Start(cluster, pod, "router", node.Namespace, node.Gateway, istiodPod.IPs[0], istiod.Server.RootFile, node.Address.ToString());

        await host.AnswersAsync(15021, "/healthz/ready", 200);
        Assert.Equal("1337\t1337\t1337\t1337", host.Status("Uid"));
        Assert.StartsWith("router~", (await istiod.Server.Discovery.WaitAsync(request => request.Node is not null)).Node.Id, StringComparison.Ordinal);
        using var client = cluster.HttpFrom(name);
        using var unknown = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{node.Address}:80/")) { Headers = { Host = "nobody.invalid" } };
        using var answer = await client.SendAsync(unknown);
        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains("(route app/r1 rule 0)", (await host.AskAsync(15000, "/explain?port=80&host=one.example&path=/")).Body, StringComparison.Ordinal);
        Assert.Contains("\"http.80\"", (await host.AskAsync(15000, "/config_dump?mask=dynamic_route_configs")).Body, StringComparison.Ordinal);
    }

    private static ClusterPod Pod(string name, string address) => new(name, "node-1", false, "", address);

    private static DeltaDiscoveryResponse? Answer(DeltaDiscoveryRequest request)
    {
        var friends = EnvoyKit.Rules(Node.Protos.Envoy.RuleSet.Types.Action.Allow, ("ns[ns]-policy[viewers]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest));
        var counts = EnvoyKit.Stats(new Node.Protos.Envoy.StatsPlugin { Reporter = Node.Protos.Envoy.StatsPlugin.Types.Reporter.ServerGateway });
        return request.TypeUrl switch
        {
            EnvoyTypes.Cluster => XdsKit.Response(request.TypeUrl, EnvoyKit.Cluster(Web, 80, "web")),
            EnvoyTypes.Assignment => XdsKit.Response(request.TypeUrl, EnvoyKit.Endpoints(Web, 80, ("10.79.31.3", 8080))),
            EnvoyTypes.Listener => XdsKit.Response(request.TypeUrl, EnvoyKit.Tunnels(), EnvoyKit.Services((Vip, 80, EnvoyKit.Chain(Web, 80, [friends, counts])))),
            EnvoyTypes.Workload => XdsKit.Response(request.TypeUrl, EnvoyKit.Workload("inner-1", "10.79.31.2", "inner"), EnvoyKit.Workload("web-1", "10.79.31.3")),
            _ => DiscoveryScript.Empty(request.TypeUrl),
        };
    }

    private static async Task<string> CallAsync(NamespaceCluster cluster, string account)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var client = HbonePeer.Client(cluster, "client", $"spiffe://cluster.local/ns/ns/sa/{account}");
        await using var tunnel = await client.ConnectAsync("10.79.31.2", $"{Vip}:80", "spiffe://cluster.local/ns/ns/sa/inner");
        await using var stream = tunnel.AsStream();
        return await ExchangeAsync(stream, limit.Token);
    }

    private static async Task<string> ExchangeAsync(Stream stream, CancellationToken cancellationToken)
    {
        await stream.WriteAsync("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n"u8.ToArray(), cancellationToken);
        await stream.FlushAsync(cancellationToken);
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        return await reader.ReadToEndAsync(cancellationToken);
    }

    /// <summary>A server of HTTP: the same short answer to every request.</summary>
    private static async Task ServeAsync(Socket listener, CancellationToken cancellationToken)
    {
        using (listener)
        {
            try
            {
                while (true)
                {
                    _ = AnswerAsync(await listener.AcceptAsync(cancellationToken), cancellationToken);
                }
            }
            catch (OperationCanceledException)
            {
            }
        }
    }

    private static async Task AnswerAsync(Socket client, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = new NetworkStream(client, ownsSocket: true);
            using var reader = new StreamReader(stream, Encoding.ASCII);
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                if (line.Length == 0)
                {
                    await stream.WriteAsync("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nweb"u8.ToArray(), cancellationToken);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
        }
    }

    /// <summary>Requests one after the other, each over a tunnel of its own.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;
        private int _done;

        public Load(NamespaceCluster cluster) => _running = RunAsync(cluster);

        public ConcurrentQueue<string> Lost { get; } = new();

        public async Task MoreAsync(int count)
        {
            var until = Volatile.Read(ref _done) + count;
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (Volatile.Read(ref _done) < until)
            {
                await Task.Delay(10, limit.Token);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
        }

        private async Task RunAsync(NamespaceCluster cluster)
        {
            var client = HbonePeer.Client(cluster, "client", "spiffe://cluster.local/ns/ns/sa/friend");
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    await using var tunnel = await client.ConnectAsync("10.79.31.2", $"{Vip}:80", "spiffe://cluster.local/ns/ns/sa/inner");
                    await using var stream = tunnel.AsStream();
                    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
                    if (await ExchangeAsync(stream, limit.Token) is var answer && !answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
                    {
                        Lost.Enqueue(answer);
                    }
                }
                catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or HboneException)
                {
                    Lost.Enqueue(e.Message);
                }

                Interlocked.Increment(ref _done);
            }
        }
    }
}
