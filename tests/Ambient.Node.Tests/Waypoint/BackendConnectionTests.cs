using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>How connections to the endpoints of a DestinationRule are made, and what ends them.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class BackendConnectionTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TestMesh _mesh = new();
    private readonly List<RawPod> _pods = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        foreach (var pod in _pods)
        {
            await pod.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(ProxyProtocolVersion.V1, false)]
    [InlineData(ProxyProtocolVersion.V2, false)]
    [InlineData(ProxyProtocolVersion.V1, true)]
    [InlineData(ProxyProtocolVersion.V2, true)]
    public async Task ProxyProtocol_NamesTheClient_OfEachConnection(ProxyProtocolVersion version, bool hbone)
    {
        var service = _mesh.AddService("a");
        var (one, two) = (_mesh.AddWorkload("one", "sleep", TunnelProtocol.Tcp), _mesh.AddWorkload("two", "sleep", TunnelProtocol.Tcp));
        var seen = new ConcurrentQueue<string>();
        _pods.Add(await RawPod.StartAsync(_mesh, hbone ? TunnelProtocol.Hbone : TunnelProtocol.Tcp, async socket =>
        {
            await using var stream = new NetworkStream(socket);
            var header = await ReadHeaderAsync(stream, version);
            while (await ReadHeadAsync(stream) is { Length: > 0 })
            {
                seen.Enqueue(header);
                await stream.WriteAsync("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"u8.ToArray());
            }
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { ProxyProtocol = version });
        var clients = new[] { one, two, one }.Select(source => _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, source: source)).ToArray();
        foreach (var client in clients)
        {
            for (var i = 0; i < 2; i++)
            {
                using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            }

            client.Dispose();
        }

        // Each client had a connection of its own, and used it twice; nobody came by another's.
        var headers = seen.ToArray();
        Assert.Equal(6, headers.Length);
        Assert.Equal(3, headers.Distinct().Count());
        foreach (var (header, client) in headers.Zip([one, one, two, two, one, one]))
        {
            Assert.StartsWith($"{client.Addresses[0]} -> {service.Vips[0].Address}:80", header[..header.LastIndexOf('|')], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ProxyProtocol_GoesBeforeTls_AndBeforeOpaqueBytes()
    {
        var service = _mesh.AddService("a");
        _pods.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var stream = new NetworkStream(socket);
            var header = await ReadHeaderAsync(stream, ProxyProtocolVersion.V2);
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{header}\n"));
            await stream.CopyToAsync(stream);
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { ProxyProtocol = ProxyProtocolVersion.V2 });
        Assert.EndsWith("\nhello", await SayAsync(service, 82, "hello"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n", "CONNECT", true)]
    [InlineData("HTTP/1.0 200\r\n\r\n", "CONNECT", true)]
    [InlineData("HTTP/1.1 407 no\r\n\r\n", "CONNECT", false)]
    [InlineData("HTTP/1.1 2000\r\n\r\n", "CONNECT", false)]
    [InlineData("nonsense\r\n\r\n", "CONNECT", false)]
    [InlineData("", "CONNECT", false)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", "POST", false)]
    public async Task Tunnel_LeadsOpaqueConnectionsThroughTheEndpoint(string answer, string protocol, bool isCarried)
    {
        var service = _mesh.AddService("a");
        var asked = new ConcurrentQueue<string>();
        _pods.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var stream = new NetworkStream(socket);
            asked.Enqueue(await ReadHeadAsync(stream));
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
            if (answer.Length > 0)
            {
                // What the far side says at once is not the proxy's.
                await stream.WriteAsync("welcome "u8.ToArray());
                await stream.CopyToAsync(stream);
            }
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { Tunnel = new ProxyTunnel(protocol, "far.example", 9443) });
        if (isCarried)
        {
            Assert.Equal("welcome hello", await SayAsync(service, 82, "hello"));
            Assert.Equal("CONNECT far.example:9443 HTTP/1.1\r\nHost: far.example:9443\r\n\r\n", Assert.Single(asked));
        }
        else
        {
            await Assert.ThrowsAnyAsync<Exception>(async () => Assert.NotEqual("", await SayAsync(service, 82, "hello")));
            await _mesh.LoggedAsync(protocol == "POST" ? "a tunnel by POST is not supported" : "CONNECT far.example:9443");
        }
    }

    [Fact]
    public async Task Http2KeepAlive_SendsPings_AndGivesUpWhoDoesNotAnswer()
    {
        var service = _mesh.AddService("a");
        var pings = 0;
        _pods.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var stream = new NetworkStream(socket);
            await stream.ReadExactlyAsync(new byte[24]);
            await stream.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0 });
            var head = new byte[9];
            while (true)
            {
                await stream.ReadExactlyAsync(head);
                await stream.ReadExactlyAsync(new byte[(head[0] << 16) | (head[1] << 8) | head[2]]);
                if (head[3] == 6)
                {
                    Interlocked.Increment(ref pings);
                }
            }
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy
        {
            ConnectionPool = new ConnectionPoolSettings { UpgradesToHttp2 = true, Http2KeepAlive = new Http2KeepAlive(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)) },
        });
        _mesh.Configure(requests => requests with { DefaultRetry = RetryRule.Default with { Attempts = 0 } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative)).WaitAsync(TimeSpan.FromSeconds(25));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, pings);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task OpaqueConnection_EndsWhenItIsSilent_OrOpen_ForTooLong(bool isIdle)
    {
        var service = _mesh.AddService("a");
        _pods.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var stream = new NetworkStream(socket);
            await stream.CopyToAsync(stream);
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy
        {
            ConnectionPool = isIdle
                ? new ConnectionPoolSettings { TcpIdleTimeout = TimeSpan.FromMilliseconds(400) }
                : new ConnectionPoolSettings { MaxConnectionDuration = TimeSpan.FromMilliseconds(400) },
        });
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service, 82);
        await using var stream = tunnel.AsStream();

        // What cannot be HTTP: nobody waits for more of it.
        await stream.WriteAsync("\u0001hello"u8.ToArray());
        var buffer = new byte[6];
        await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(s_patience);
        await _mesh.LoggedAsync(isIdle ? "nothing moved for 0.4 s" : "it was open for 0.4 s");
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            if (await stream.ReadAsync(buffer).AsTask().WaitAsync(s_patience) == 0)
            {
                throw new IOException("ended");
            }
        });
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData(60, 2)]
    public async Task RetryBudget_CountsRequestsOfItsInterval(int? seconds, int tries)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", TunnelProtocol.Tcp, Failing);
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { RetryBudget = new RetryBudget(25, 0) { Interval = seconds is { } time ? TimeSpan.FromSeconds(time) : null } });
        _mesh.Configure(requests => requests with { DefaultRetry = RetryRule.Default with { Attempts = 1, Conditions = RetryConditions.ServerError } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        for (var i = 0; i < 6; i++)
        {
            using var answered = await client.GetAsync(new Uri("/", UriKind.Relative));
        }

        pod.Requests.Clear();
        using var failed = await client.GetAsync(new Uri("/fail", UriKind.Relative));
        Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
        Assert.Equal(tries, pod.Requests.Count);
    }

    [Fact]
    public async Task DefaultRetryPolicy_HoldsWhereNoRuleSays()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", TunnelProtocol.Tcp, Failing);
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        Assert.Equal(1, await TriesAsync());
        _mesh.Configure(requests => requests with { DefaultRetry = RetryRule.Default with { Attempts = 3, Conditions = RetryConditions.ServerError, Backoff = TimeSpan.FromMilliseconds(1) } });
        Assert.Equal(4, await TriesAsync());

        // A rule that says something of retries says all of it.
        _mesh.SetRoute("a", ("a", 1));
        Assert.Equal(4, await TriesAsync());
        _mesh.Configure(requests => requests with { HttpRoutes = requests.HttpRoutes.ToImmutableDictionary(entry => entry.Key, entry => WithRetry(entry.Value)) });
        Assert.Equal(1, await TriesAsync());

        async Task<int> TriesAsync()
        {
            pod.Requests.Clear();
            using var failed = await client.GetAsync(new Uri("/fail", UriKind.Relative));
            Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
            return pod.Requests.Count;
        }

        static HttpRoute WithRetry(HttpRoute route) => route with
        {
            Rules = [.. route.Rules.Select(rule => rule with { Action = ((ForwardAction)rule.Action) with { Retry = RetryRule.Default with { Attempts = 0 } } })],
        };
    }

    private static void Failing(WebApplication app) => app.Use(async (http, next) =>
    {
        if (http.Request.Path == "/fail")
        {
            http.Response.StatusCode = 500;
            return;
        }

        await next(http);
    });

    private void SetRule(TrafficPolicy policy) => _mesh.Configure(requests => requests with
    {
        DestinationRules = requests.DestinationRules.SetItem("app/a", new DestinationRule { Name = "a", Namespace = "app", Host = "a.app.svc.cluster.local", Policy = policy }),
    });

    private async Task<HboneTunnel> OpenAsync(HboneClient client, MeshService service, int port)
    {
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        return await client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = $"{service.Vips[0].Address}:{port}",
            Source = TestMesh.Id("sleep"),
            AcceptedIdentities = [waypoint.Identity],
        });
    }

    private async Task<string> SayAsync(MeshService service, int port, string text)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service, port);
        await using var stream = tunnel.AsStream();
        await tunnel.Output.WriteAsync(Encoding.ASCII.GetBytes(text));
        await tunnel.Output.CompleteAsync();
        using var reader = new StreamReader(stream, leaveOpen: true);
        return await reader.ReadToEndAsync().WaitAsync(s_patience);
    }

    /// <summary>Source without port, destination, and then the port behind a bar.</summary>
    private static async Task<string> ReadHeaderAsync(Stream stream, ProxyProtocolVersion version)
    {
        var bytes = new List<byte>();
        var one = new byte[1];
        while (await stream.ReadAsync(one) == 1)
        {
            bytes.Add(one[0]);
            if (version == ProxyProtocolVersion.V1)
            {
                if (one[0] == '\n')
                {
                    var words = Encoding.ASCII.GetString([.. bytes]).Split(' ', '\r');
                    return words is ["PROXY", "TCP4", var source, var destination, var from, var to, _] ? $"{source} -> {destination}:{to}|{from}" : string.Join(' ', words);
                }
            }
            else if (ProxyHeader.TryRead(bytes.ToArray(), out var header, out _))
            {
                return $"{header!.Source?.Address} -> {header.Destination}|{header.Source?.Port}";
            }
        }

        return "none";
    }

    private static async Task<string> ReadHeadAsync(Stream stream)
    {
        var text = new StringBuilder();
        var one = new byte[1];
        while (await stream.ReadAsync(one) == 1)
        {
            text.Append((char)one[0]);
            if (text.Length >= 4 && text.ToString(text.Length - 4, 4) == "\r\n\r\n")
            {
                return text.ToString();
            }
        }

        return "";
    }
}
