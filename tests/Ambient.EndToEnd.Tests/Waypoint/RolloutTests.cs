using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Ambient.EndToEnd.Tests.Cluster;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>Waypoints and gateways that are replaced under load, as a Deployment rolls over: the next pod is ready, then the old one gets SIGTERM, and only after that does everybody hear of it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RolloutTests : IAsyncLifetime
{
    private static readonly TimeSpan s_untilEverybodyHasHeard = TimeSpan.FromSeconds(1);
    private readonly LocalCluster _cluster = new();
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly List<Task> _load = [];
    private readonly List<RunningHost> _hosts = [];
    private IPAddress _sleep = null!;
    private int _answered;
    private int _closed;

    public async Task InitializeAsync()
    {
        _sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var web = _cluster.AddDeployment("web", "web", "node-b", "web");
        _cluster.AddService("web", "web");
        await _cluster.StartAppAsync("web", web, app =>
        {
            app.MapPost("/strict", async http =>
            {
                using var reader = new StreamReader(http.Request.Body);
                var text = await reader.ReadToEndAsync();
                http.Response.ContentLength = text.Length;
                await http.Response.WriteAsync(text);
            });
            app.MapGet("/slow", async http =>
            {
                // Slower than the lead, faster than the grace period.
                for (var i = 0; i < 14; i++)
                {
                    await http.Response.WriteAsync(i.ToString(CultureInfo.InvariantCulture));
                    await http.Response.Body.FlushAsync();
                    await Task.Delay(250);
                }
            });
        });
        _hosts.Add(await _cluster.StartZtunnelAsync("node-b"));
    }

    public async Task DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_load);
        await _cluster.DisposeAsync();
        _over.Dispose();
    }

    [Fact]
    public async Task WaypointReplacedUnderLoad_NoRequestIsLost()
    {
        _cluster.AddWaypointOfPods();
        var serves = _cluster.AddWaypointPod("waypoint-a");
        _hosts.Add(await _cluster.StartZtunnelAsync("node-a"));
        var old = await _cluster.StartWaypointAsync("waypoint", "waypoint-a");
        _hosts.Add(old);
        serves(true);
        using var client = LocalCluster.ClientOf(_sleep);
        await LocalCluster.EventuallyAsync(
            async () =>
            {
                using var response = await client.GetAsync(new Uri("http://web:9080/"));
                return response.IsSuccessStatusCode && response.Headers.Server.ToString() == "istio-envoy";
            },
            () => old.Log);
        for (var i = 0; i < 4; i++)
        {
            AskSteadily(() => new StrictClient(new IPEndPoint(_sleep, 15080), "web"), "web:9080", keep: i % 2 == 0);
        }

        AskSteadily(client, new Uri("http://web:9090/"));
        await AnsweredAsync(200, old);

        for (var round = 0; round < 2; round++)
        {
            var pod = $"waypoint-{(char)('b' + round)}";
            var nextServes = _cluster.AddWaypointPod(pod);
            var next = await _cluster.StartWaypointAsync("waypoint", pod);
            _hosts.Add(next);
            nextServes(true);
            await AnsweredAsync(100, old);
            await ReplaceAsync(old, () => serves(false), client.GetStreamAsync(new Uri("http://web:9080/slow")));
            await AnsweredAsync(100, next);
            (old, serves) = (next, nextServes);
        }

        await EndAsync();
    }

    [Fact]
    public async Task GatewayThatLeaves_StillServesWhoeverIsSentThere_AndTellsEachToGoElsewhere()
    {
        _cluster.Apply("gateway", """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata:
              name: edge
              namespace: app
            spec:
              gatewayClassName: istio
              listeners:
              - name: http
                port: 8080
                protocol: HTTP
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata:
              name: web
              namespace: app
            spec:
              parentRefs:
              - name: edge
              rules:
              - backendRefs:
                - name: web
                  port: 9080

            """);
        var gateway = await _cluster.StartWaypointAsync("edge");
        const string Open = "listener port 8080 is open on ";
        await LocalCluster.EventuallyAsync(() => Task.FromResult(gateway.Log.Contains(Open, StringComparison.Ordinal)), () => gateway.Log);
        var log = gateway.Log;
        var at = IPEndPoint.Parse(log[(log.IndexOf(Open, StringComparison.Ordinal) + Open.Length)..].Split('\n')[0].Trim());
        using var client = new HttpClient();
        var address = new Uri($"http://{at}/");
        await LocalCluster.EventuallyAsync(async () => (await client.GetStringAsync(address)) == "web", () => gateway.Log);
        for (var i = 0; i < 4; i++)
        {
            AskSteadily(() => new StrictClient(at, null), "web", keep: i % 2 == 0);
        }

        await AnsweredAsync(200, gateway);
        var slow = client.GetStreamAsync(new Uri(address, "slow"));
        await (await slow).ReadExactlyAsync(new byte[1]);
        var (before, told) = (Volatile.Read(ref _answered), Volatile.Read(ref _closed));
        gateway.Shutdown.Begin("SIGTERM");
        await UnreadyAsync(gateway);

        // A load balancer in front takes a while to hear it, and goes on sending. As soon as it has, nothing more comes.
        await Task.Delay(s_untilEverybodyHasHeard);
        await EndAsync();
        Assert.True(Volatile.Read(ref _answered) - before > 50, "nothing was served while it left");
        Assert.True(Volatile.Read(ref _closed) - told > 50, "clients were not told to go elsewhere");
        await WholeAsync(slow, alreadyRead: 1);
        await gateway.StopAsync();
    }

    private async Task ReplaceAsync(RunningHost old, Action withdraw, Task<Stream> slow)
    {
        await (await slow).ReadExactlyAsync(new byte[1]);
        var told = Volatile.Read(ref _closed);
        old.Shutdown.Begin("SIGTERM");
        await UnreadyAsync(old);
        await Task.Delay(s_untilEverybodyHasHeard);
        Assert.True(Volatile.Read(ref _closed) > told, "clients of HTTP/1.1 were not told to go elsewhere");
        withdraw();
        await WholeAsync(slow, alreadyRead: 1);
        await old.StopAsync();
    }

    private static async Task WholeAsync(Task<Stream> slow, int alreadyRead)
    {
        using var reader = new StreamReader(await slow);
        Assert.Equal("012345678910111213"[alreadyRead..], await reader.ReadToEndAsync());
    }

    private static async Task UnreadyAsync(RunningHost host)
    {
        using var client = new HttpClient();
        await LocalCluster.EventuallyAsync(
            async () =>
            {
                using var response = await client.GetAsync(new Uri($"http://127.0.0.1:{host.Probe!.Port}/healthz/ready"));
                return !response.IsSuccessStatusCode && (await response.Content.ReadAsStringAsync()).Contains("drain", StringComparison.Ordinal);
            },
            () => "it is still ready");
    }

    /// <summary>Asks one request after the other, on one connection or on one each.</summary>
    private void AskSteadily(Func<StrictClient> connect, string host, bool keep) => _load.Add(Task.Run(async () =>
    {
        var client = connect();
        for (var i = 0; !_over.IsCancellationRequested; i++)
        {
            var text = i.ToString(CultureInfo.InvariantCulture);
            var closed = client.Closed;
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                var answer = await client.PostAsync(host, text, patience.Token);
                if (answer != (200, text))
                {
                    Failed($"{answer} to {text}");
                }
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or OperationCanceledException)
            {
                Failed(e.Message);
                client.Dispose();
                client = connect();
            }

            Interlocked.Add(ref _closed, client.Closed - closed);
            Interlocked.Increment(ref _answered);
            if (!keep)
            {
                client.Dispose();
                client = connect();
            }

            await Task.Delay(2);
        }

        client.Dispose();
    }));

    private void AskSteadily(HttpClient client, Uri http2) => _load.Add(Task.Run(async () =>
    {
        while (!_over.IsCancellationRequested)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, http2) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
                using var response = await client.SendAsync(request);
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    Failed($"HTTP/2: {response.StatusCode}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException or OperationCanceledException)
            {
                Failed($"HTTP/2: {e.Message}");
            }

            Interlocked.Increment(ref _answered);
            await Task.Delay(2);
        }
    }));

    private void Failed(string what) => _failures.Enqueue($"{DateTime.UtcNow:mm:ss.fff} {what}");

    private async Task AnsweredAsync(int further, RunningHost host)
    {
        var target = Volatile.Read(ref _answered) + further;
        var from = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _answered) < target)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(60), $"requests take too long:\n{host.Log}");
            await Task.Delay(10);
        }
    }

    private async Task EndAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_load);
        var said = string.Join('\n', _hosts.SelectMany(host => host.Log.Split('\n').Where(line => line.Contains(" error=", StringComparison.Ordinal)).Take(10).Select(line => $"{host.Name}: {line}")));
        Assert.True(_failures.IsEmpty, $"{_failures.Count} of {_answered} requests were lost: {string.Join("; ", _failures.Take(10))}\n{said}");
    }
}
