using System.Net;
using System.Net.Sockets;
using System.Diagnostics.CodeAnalysis;
using Ambient.EndToEnd.Tests.Cluster;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>The whole path: client, its ztunnel, waypoint, the other node's ztunnel, app.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WaypointWithZtunnelsTests : IAsyncLifetime
{
    private readonly LocalCluster _cluster = new();
    private HttpClient _sleep = null!;
    private HttpClient _notsleep = null!;
    private RunningHost _waypoint = null!;
    private RunningHost _near = null!;
    private RunningHost _far = null!;
    private IPAddress _client = null!;

    public async Task InitializeAsync()
    {
        var sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var notsleep = _cluster.AddDeployment("notsleep", "notsleep", "node-a", "notsleep");
        var v1 = _cluster.AddDeployment("web-v1", "web", "node-b", "web");
        var v2 = _cluster.AddDeployment("web-v2", "web", "node-b", "web");
        _cluster.AddService("web", "web");
        _cluster.AddService("web-v1", "web", "web-v1");
        _cluster.AddService("web-v2", "web", "web-v2");
        _cluster.AddWaypoint();
        await _cluster.StartAppAsync("web-v1", v1);
        await _cluster.StartAppAsync("web-v2", v2);
        _near = await _cluster.StartZtunnelAsync("node-a");
        _far = await _cluster.StartZtunnelAsync("node-b");
        _client = sleep;
        _waypoint = await _cluster.StartWaypointAsync("waypoint");
        _sleep = LocalCluster.ClientOf(sleep);
        _notsleep = LocalCluster.ClientOf(notsleep);
    }

    public async Task DisposeAsync()
    {
        _sleep.Dispose();
        _notsleep.Dispose();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Policy_OfMethodsAndPrincipal_HoldsThroughTheWholePath()
    {
        Route(100, 0);
        await EventuallyAsync(_sleep, HttpMethod.Get, HttpStatusCode.OK);
        _cluster.Apply("policy", """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata:
              name: web-viewer
              namespace: app
            spec:
              targetRefs:
              - kind: Service
                group: ""
                name: web
              action: ALLOW
              rules:
              - from:
                - source:
                    principals: ["cluster.local/ns/app/sa/sleep"]
                to:
                - operation:
                    methods: ["GET"]

            """);
        await EventuallyAsync(_sleep, HttpMethod.Delete, HttpStatusCode.Forbidden);
        using var denied = await _sleep.DeleteAsync(new Uri("http://web:9080/"));
        Assert.Equal("RBAC: access denied", await denied.Content.ReadAsStringAsync());
        using var other = await _notsleep.GetAsync(new Uri("http://web:9080/"));
        Assert.Equal(HttpStatusCode.Forbidden, other.StatusCode);
        Assert.Equal("RBAC: access denied", await other.Content.ReadAsStringAsync());
        using var allowed = await _sleep.GetAsync(new Uri("http://web:9080/"));
        Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        Assert.Equal("web-v1", await allowed.Content.ReadAsStringAsync());
        await LocalCluster.EventuallyAsync(
            () => Task.FromResult(_waypoint.Log.Contains("src.identity=\"spiffe://cluster.local/ns/app/sa/notsleep\"", StringComparison.Ordinal)
                && _waypoint.Log.Contains("app/web-viewer", StringComparison.Ordinal)),
            () => _waypoint.Log);
        using var stats = new HttpClient();
        var scrape = await stats.GetStringAsync(new Uri($"http://127.0.0.1:{_waypoint.Stats!.Port}/stats/prometheus"));
        Assert.Contains("source_workload=\"sleep\"", scrape, StringComparison.Ordinal);
        Assert.Contains("destination_workload=\"web-v1\"", scrape, StringComparison.Ordinal);
        Assert.Contains("response_code=\"403\"", scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tcp_ThroughTheWaypoint_EndsWhereItsSidesEndAndNothingStaysOpen()
    {
        // Its server speaks first: only the name of the port says that nobody may wait for the client.
        var pod = _cluster.AddDeployment("store", "store", "node-b", "store");
        _cluster.Apply("service-store", """
            apiVersion: v1
            kind: Service
            metadata:
              name: store
              namespace: app
            spec:
              selector:
                app: store
              ports:
              - name: mysql
                port: 83
                targetPort: 8083

            """);
        using var server = new TcpListener(pod, 8083);
        server.Start();
        _ = ServeAsync(server);
        await LocalCluster.EventuallyAsync(async () =>
        {
            using var probe = await ConnectAsync();
            return probe is not null;
        }, () => "store is not reached");

        using (var half = await ConnectAsync())
        {
            var stream = half!.GetStream();
            await stream.WriteAsync("0123456789"u8.ToArray());
            half.Client.Shutdown(SocketShutdown.Send);
            using var reader = new StreamReader(stream);
            Assert.Equal("got 10", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)));
        }

        for (var i = 0; i < 10; i++)
        {
            using var client = await ConnectAsync();
            await client!.GetStream().WriteAsync("x"u8.ToArray());
        }

        foreach (var host in new[] { _near, _far, _waypoint })
        {
            await LocalCluster.EventuallyAsync(
                () => Task.FromResult(host.Log.Split('\n').Count(line => line.Contains("connection complete", StringComparison.Ordinal) && line.Contains("store", StringComparison.Ordinal)) >= 12),
                () => $"connections stay open at {host.Name}:\n{host.Log}");
        }
    }

    [Fact]
    public async Task Route_FlipsUnderLoad_NotOneRequestFails()
    {
        Route(100, 0);
        await LocalCluster.EventuallyAsync(
            async () =>
            {
                // Without a route each of the two is as likely as the other.
                for (var i = 0; i < 15; i++)
                {
                    if (await _sleep.GetStringAsync(new Uri("http://web:9080/")) != "web-v1")
                    {
                        return false;
                    }
                }

                return true;
            },
            () => "the route is not seen");
        Route(90, 10);
        await LocalCluster.EventuallyAsync(async () => await _sleep.GetStringAsync(new Uri("http://web:9080/")) == "web-v2", () => "the weights are not seen");
        var seen = new Dictionary<string, int>();
        for (var i = 0; i < 300; i++)
        {
            var pod = await _sleep.GetStringAsync(new Uri("http://web:9080/"));
            seen[pod] = seen.GetValueOrDefault(pod) + 1;
        }

        Assert.InRange(seen.GetValueOrDefault("web-v2"), 11, 54);
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var sent = 0;
            while (!stop.IsCancellationRequested)
            {
                using var response = await _sleep.GetAsync(new Uri("http://web:9080/"), CancellationToken.None);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                sent++;
            }

            return sent;
        })).ToArray();
        for (var flip = 0; flip < 4; flip++)
        {
            var version = flip % 2 == 0 ? "web-v2" : "web-v1";
            Route(flip % 2 == 0 ? 0 : 100, flip % 2 == 0 ? 100 : 0);
            await LocalCluster.EventuallyAsync(async () => await _sleep.GetStringAsync(new Uri("http://web:9080/")) == version
                && await _sleep.GetStringAsync(new Uri("http://web:9080/")) == version, () => $"not flipped to {version}");
        }

        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(load), sent => Assert.True(sent > 0));
    }

    [Fact]
    public async Task WaypointDown_TrafficFailsClearlyAndIsNeverSentPast()
    {
        Route(100, 0);
        await EventuallyAsync(_sleep, HttpMethod.Get, HttpStatusCode.OK);
        await _waypoint.StopAsync();
        for (var i = 0; i < 5; i++)
        {
            // A connection that is reset at once: HttpClient says so in one way or the other.
            var failure = await Assert.ThrowsAnyAsync<Exception>(() => _sleep.GetStringAsync(new Uri("http://web:9080/")));
            Assert.True(failure is HttpRequestException { StatusCode: not HttpStatusCode.OK } or System.Net.Sockets.SocketException, failure.ToString());
        }

        await _cluster.StartWaypointAsync("waypoint");
        await EventuallyAsync(_sleep, HttpMethod.Get, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Http2_WithPriorKnowledge_GoesThroughEveryHop()
    {
        await EventuallyAsync(_sleep, HttpMethod.Get, HttpStatusCode.OK);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://web:9090/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var response = await _sleep.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.StartsWith("web-v", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static Task EventuallyAsync(HttpClient client, HttpMethod method, HttpStatusCode status) => LocalCluster.EventuallyAsync(
        async () =>
        {
            using var request = new HttpRequestMessage(method, "http://web:9080/");
            using var response = await client.SendAsync(request);
            return response.StatusCode == status && response.Headers.Server.ToString() == "istio-envoy";
        },
        () => $"{method} is not answered with {status} by the waypoint");

    private void Route(int v1, int v2) => _cluster.Apply("route", $"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata:
          name: web
          namespace: app
        spec:
          parentRefs:
          - group: ""
            kind: Service
            name: web
            port: 9080
          rules:
          - backendRefs:
            - name: web-v1
              port: 9080
              weight: {v1}
            - name: web-v2
              port: 9080
              weight: {v2}

        """);

    private static async Task ServeAsync(TcpListener server)
    {
        try
        {
            while (true)
            {
                var client = await server.AcceptTcpClientAsync();
                _ = Task.Run(async () =>
                {
                    using (client)
                    {
                        var stream = client.GetStream();
                        await stream.WriteAsync("hello"u8.ToArray());
                        var (count, buffer) = (0, new byte[64]);
                        for (int read; (read = await stream.ReadAsync(buffer)) > 0; count += read)
                        {
                        }

                        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"got {count}"));
                    }
                });
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    /// <summary>A connection to store by the client's SOCKS5 port that has been greeted; null when it was not.</summary>
    private async Task<TcpClient?> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(_client, 15080);
        var stream = client.GetStream();
        await stream.WriteAsync((byte[])[5, 1, 0, 5, 1, 0, 3, 5, .. "store"u8, 0, 83]);
        await stream.ReadExactlyAsync(new byte[2]);
        var answer = new byte[10];
        await stream.ReadExactlyAsync(answer);
        if (answer[1] == 0 && await stream.ReadAtLeastAsync(answer.AsMemory(0, 5), 5, throwOnEndOfStream: false).AsTask().WaitAsync(TimeSpan.FromSeconds(60)) == 5)
        {
            return client;
        }

        client.Dispose();
        return null;
    }
}
