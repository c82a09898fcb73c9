using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Connections;
using Ambient.Node.Tests.Capture.Dns;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Node.Tests.Hosting;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Tests.Capture;

/// <summary>What a client of the SOCKS5 port sees (RFC 1928), with names resolved by the DNS proxy of its workload.</summary>
public sealed class Socks5ProxyTests : IAsyncDisposable
{
    private const string Mesh = """
        workloads:
        - {uid: c//Pod/app/client, name: client, namespace: app, workloadIps: ["10.77.0.2"], protocol: HBONE, node: local, network: "", services: {}}
        - {uid: c//Pod/app/p0, name: p0, namespace: app, workloadIps: ["10.77.0.3"], hostname: p0.pods.app.svc.cluster.local, protocol: HBONE, node: local, network: "", services: {"app/pods.app.svc.cluster.local": {80: 80}}}
        services:
        - {name: web, namespace: app, hostname: web.app.svc.cluster.local, vips: ["/10.96.7.1", "/fd96::1"], ports: {80: 80}}
        - {name: six, namespace: app, hostname: six.app.svc.cluster.local, vips: ["/fd96::2"], ports: {80: 80}}
        - {name: pods, namespace: app, hostname: pods.app.svc.cluster.local, vips: [], ports: {80: 80}}
        policies: []
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly DiagnosticsKit _log = new();
    private readonly NameServer _server = NameServer.Start();
    private readonly List<IDisposable> _sockets = [];
    private readonly TaskCompletionSource<CapturedConnection> _carried = new();
    private DnsKit? _dns;

    [Theory]
    [InlineData("version 4", new byte[] { 4, 1, 0, 80, 1, 2, 3, 4, 0 }, new byte[] { 7 })]
    [InlineData("no method", new byte[] { 5, 0 }, new byte[] { 7 })]
    [InlineData("methods with a password only", new byte[] { 5, 2, 1, 2, 5, 1, 0, 1, 1, 2, 3, 4, 0, 80 }, new byte[] { 7 })]
    [InlineData("version 4 of the request", new byte[] { 5, 1, 0, 4, 1, 0, 1, 1, 2, 3, 4, 0, 80 }, new byte[] { 5, 0, 7 })]
    [InlineData("BIND", new byte[] { 5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80 }, new byte[] { 5, 0, 7 })]
    [InlineData("UDP ASSOCIATE", new byte[] { 5, 1, 0, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80, 9, 9, 9, 9 }, new byte[] { 5, 0, 7 })]
    [InlineData("kind of address", new byte[] { 5, 1, 0, 5, 1, 0, 2, 1, 2, 3, 4, 0, 80 }, new byte[] { 5, 0, 7 })]
    [InlineData("name that is no UTF-8", new byte[] { 5, 1, 0, 5, 1, 0, 3, 2, 0xff, 0xfe, 0, 80 }, new byte[] { 5, 0, 7 })]
    [InlineData("end in the greeting", new byte[] { 5, 3, 0 }, new byte[] { 1 })]
    [InlineData("end in the request", new byte[] { 5, 1, 0, 5, 1, 0, 1, 1, 2 }, new byte[] { 5, 0, 1 })]
    public async Task WhatIsNotServed_IsRefusedInTenBytes_WhichArriveWhateverElseWasSent(string what, byte[] sent, byte[] expected)
    {
        var client = await StartAsync(IPAddress.Loopback);

        // The last byte of what is expected is the code of the reply.
        await client.SendAsync(sent);
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal([.. expected[..^1], 5, expected[^1], 0, 1, 0, 0, 0, 0, 0, 0], await ToTheEndAsync(client));
        Assert.False(_carried.Task.IsCompleted, what);
        Assert.Contains("socks5: ", _log.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", new byte[] { 1, 192, 0, 2, 1 }, "192.0.2.1:258")]
    [InlineData("127.0.0.1", new byte[] { 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, "[2001:db8::1]:258")]
    [InlineData("127.0.0.1", new byte[] { 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1 }, "192.0.2.1:258")]
    [InlineData("::1", new byte[] { 1, 192, 0, 2, 1 }, "192.0.2.1:258")]
    public async Task Address_IsGranted_BeforeAnythingIsConnected_AndWhatFollowedAtOnceBelongsToTheConnection(string from, byte[] address, string expected)
    {
        var client = await StartAsync(IPAddress.Parse(from));

        // Reserved is ignored; methods that we do not know are none of our business.
        await client.SendAsync((byte[])[5, 3, 2, 1, 0, 5, 1, 0x77, .. address, 1, 2, .. "GET /"u8]);

        var carried = await _carried.Task.WaitAsync(s_patience);
        Assert.Equal(expected, carried.Destination.ToString());
        Assert.Equal([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0], await LoopbackMesh.ReadAsync(client, 12));
        Assert.Equal("GET /", Encoding.ASCII.GetString(await LoopbackMesh.ReadAsync(carried.Client, 5)));
    }

    [Theory]
    [InlineData("127.0.0.1", "web", "10.96.7.1", 0)]
    [InlineData("127.0.0.1", "WEB.app.svc.cluster.local.", "10.96.7.1", 0)]
    [InlineData("::1", "web", "fd96::1", 0)]
    [InlineData("127.0.0.1", "pods", "10.77.0.3", 0)]
    [InlineData("127.0.0.1", "known.example", "192.0.2.7", 1)]
    [InlineData("127.0.0.1", "web.app.svc.cluster.local.app.svc.cluster.local", "10.96.7.1", 0)]
    [InlineData("127.0.0.1", "six", null, 0)]
    [InlineData("127.0.0.1", "unknown.example", null, 1)]
    [InlineData("127.0.0.1", "p0.pods.app.svc.cluster.local", null, 1)]
    [InlineData("127.0.0.1", "a..b", null, 0)]
    public async Task Name_IsWhatTheDnsProxySays_InTheClientsFamily(string from, string name, string? address, int forwarded)
    {
        _server.Answer = (query, _) => Encoding.ASCII.GetString(query).Contains("\u0005known", StringComparison.Ordinal)
            ? NameServer.Reply(query, answers: 1, records: NameServer.Record(IPAddress.Parse("192.0.2.7")))
            : NameServer.Reply(query, code: 3);
        var client = await StartAsync(IPAddress.Parse(from));

        await client.SendAsync(Named(name));

        Assert.Equal([5, 0, 5, (byte)(address is null ? 4 : 0), 0, 1, 0, 0, 0, 0, 0, 0], await LoopbackMesh.ReadAsync(client, 12));
        if (address is null)
        {
            Assert.Empty(await ToTheEndAsync(client));
            Assert.Contains($"socks5: {name} is not known to the mesh, nor to a name server", _log.Text(), StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(new IPEndPoint(IPAddress.Parse(address), 80), (await _carried.Task.WaitAsync(s_patience)).Destination);
        }

        Assert.Equal(forwarded, _server.Asked.Count);
        Assert.Equal(name == "a..b" ? 0 : 1, Asked());
    }

    [Fact]
    public async Task Name_WhoseAnswerWasCutOff_IsAskedForByTcp()
    {
        _server.Answer = (query, tcp) => tcp
            ? NameServer.Reply(query, answers: 1, records: NameServer.Record(IPAddress.Parse("192.0.2.9")))
            : NameServer.Reply(query, truncated: true);
        var client = await StartAsync(IPAddress.Loopback);

        await client.SendAsync(Named("large.example"));

        Assert.Equal("192.0.2.9:80", (await _carried.Task.WaitAsync(s_patience)).Destination.ToString());
    }

    [Fact]
    public async Task Name_WithoutDnsProxy_IsNotSupported()
    {
        var client = await StartAsync(IPAddress.Loopback, dns: false);

        await client.SendAsync(Named("web"));

        Assert.Equal([5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0], await ToTheEndAsync(client));
        Assert.Contains("the DNS proxy is off", _log.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Name_ForAWorkloadThatTheMeshDoesNotKnow_IsUnreachable()
    {
        var client = await StartAsync(IPAddress.Loopback, workload: "nobody");
        await client.SendAsync(Named("web"));
        Assert.Equal([5, 0], await LoopbackMesh.ReadAsync(client, 2));

        var answer = LoopbackMesh.ReadAsync(client, 10);
        await LoopbackMesh.Until(
            () =>
            {
                _log.Time.Advance(TimeSpan.FromSeconds(1));
                return answer.IsCompleted;
            },
            "an answer after five seconds");

        Assert.Equal([5, 4, 0, 1, 0, 0, 0, 0, 0, 0], await answer);
    }

    [Theory]
    [InlineData(new byte[0], new byte[0])]
    [InlineData(new byte[] { 5, 1, 0, 5, 1 }, new byte[] { 5, 0 })]
    public async Task WhoDoesNotComeToTheEnd_IsLeftAfterTenSeconds(byte[] sent, byte[] answered)
    {
        var client = await StartAsync(IPAddress.Loopback);
        await client.SendAsync(sent);
        Assert.Equal(answered, await LoopbackMesh.ReadAsync(client, answered.Length));
        await Task.Delay(50);
        _log.Time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal(0, client.Available);

        await LoopbackMesh.Until(
            () =>
            {
                _log.Time.Advance(TimeSpan.FromSeconds(0.2));
                return client.Available > 0;
            },
            "an answer after ten seconds");

        Assert.Equal([5, 1, 0, 1, 0, 0, 0, 0, 0, 0], await ToTheEndAsync(client));
        Assert.Contains("no complete request within 10 s", _log.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhoIsRefused_AndGoesOnTalking_IsCutOff()
    {
        var client = await StartAsync(IPAddress.Loopback);
        await client.SendAsync((byte[])[4, 1]);
        Assert.Equal([5, 7, 0, 1, 0, 0, 0, 0, 0, 0], await ToTheEndAsync(client));

        // A second for whoever is still sending; then nobody is listening.
        await LoopbackMesh.Until(
            () =>
            {
                _log.Time.Advance(TimeSpan.FromSeconds(1));
                try
                {
                    return client.Send(new byte[1000]) == 0;
                }
                catch (SocketException)
                {
                    return true;
                }
            },
            "an end");
    }

    public async ValueTask DisposeAsync()
    {
        _sockets.ForEach(socket => socket.Dispose());
        if (_carried.Task.IsCompletedSuccessfully)
        {
            (await _carried.Task).Client.Dispose();
        }

        await (_dns?.DisposeAsync() ?? _server.DisposeAsync());
    }

    private static byte[] Named(string name) => [5, 1, 0, 5, 1, 0, 3, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), 0, 80];

    private static async Task<byte[]> ToTheEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var buffer = new byte[256];
        while (await socket.ReceiveAsync(buffer).WaitAsync(s_patience) is var read and > 0)
        {
            all.Write(buffer, 0, read);
        }

        return all.ToArray();
    }

    /// <summary>Questions that the DNS proxy has counted.</summary>
    private int Asked() => _dns!.Metrics().Split('\n')
        .Where(line => line.StartsWith("istio_dns_requests_total{", StringComparison.Ordinal))
        .Sum(line => int.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>A client that is connected to a SOCKS5 port whose connections go nowhere: they are kept as they were captured.</summary>
    private async Task<Socket> StartAsync(IPAddress address, bool dns = true, string workload = "client")
    {
        _dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", workload, new NameRules("cluster.local"), _log.Time, [_server]);
        var proxy = new Socks5Proxy(dns ? new DnsHostResolver(_dns.Proxy, _dns.NewForwarder()) : null, new ConnectionLog(_log.Loggers), _log.Time);
        using var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(address, 0));
        listener.Listen();
        var client = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _sockets.Add(client);
        await client.ConnectAsync(listener.LocalEndPoint!);
        _ = proxy.RunAsync(
            await listener.AcceptAsync(),
            _dns.Local,
            this,
            (captured, _) =>
            {
                _carried.SetResult(captured);
                return Task.CompletedTask;
            },
            default);
        return client;
    }
}
