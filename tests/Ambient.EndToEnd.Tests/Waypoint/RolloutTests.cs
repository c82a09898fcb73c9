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
    private readonly SteadyRequests _load = new();
    private readonly List<RunningHost> _hosts = [];
    private IPAddress _sleep = null!;

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
        await _load.DisposeAsync();
        await _cluster.DisposeAsync();
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
            _load.Add(() => new StrictClient(new IPEndPoint(_sleep, 15080), "web"), "web:9080", keep: i % 2 == 0);
        }

        _load.Add(client, new Uri("http://web:9090/"));
        await _load.AnsweredAsync(200, old);

        for (var round = 0; round < 2; round++)
        {
            var pod = $"waypoint-{(char)('b' + round)}";
            var nextServes = _cluster.AddWaypointPod(pod);
            var next = await _cluster.StartWaypointAsync("waypoint", pod);
            _hosts.Add(next);
            nextServes(true);
            await _load.AnsweredAsync(100, old);
            await ReplaceAsync(old, () => serves(false), client.GetStreamAsync(new Uri("http://web:9080/slow")));
            await _load.AnsweredAsync(100, next);
            (old, serves) = (next, nextServes);
        }

        await _load.EndAsync(_hosts);
    }

    [Fact]
    public async Task GatewayThatLeaves_StillServesWhoeverIsSentThere_AndTellsEachToGoElsewhere()
    {
        _cluster.AddGateway(9080);
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
            _load.Add(() => new StrictClient(at, null), "web", keep: i % 2 == 0);
        }

        await _load.AnsweredAsync(200, gateway);
        var slow = client.GetStreamAsync(new Uri(address, "slow"));
        await (await slow).ReadExactlyAsync(new byte[1]);
        var (before, told) = (_load.Answered, _load.Closed);
        gateway.Shutdown.Begin("SIGTERM");
        await UnreadyAsync(gateway);

        // A load balancer in front takes a while to hear it, and goes on sending. As soon as it has, nothing more comes.
        await Task.Delay(s_untilEverybodyHasHeard);
        await _load.EndAsync(_hosts);
        Assert.True(_load.Answered - before > 50, "nothing was served while it left");
        Assert.True(_load.Closed - told > 50, "clients were not told to go elsewhere");
        await WholeAsync(slow, alreadyRead: 1);
        await gateway.StopAsync();
    }

    private async Task ReplaceAsync(RunningHost old, Action withdraw, Task<Stream> slow)
    {
        await (await slow).ReadExactlyAsync(new byte[1]);
        var told = _load.Closed;
        old.Shutdown.Begin("SIGTERM");
        await UnreadyAsync(old);
        await Task.Delay(s_untilEverybodyHasHeard);
        Assert.True(_load.Closed > told, "clients of HTTP/1.1 were not told to go elsewhere");
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
}
