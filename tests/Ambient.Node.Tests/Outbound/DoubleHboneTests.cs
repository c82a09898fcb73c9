using System.Buffers;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Lifetime;
using Ambient.Node.Outbound;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Outbound;

/// <summary>Across networks: the outbound proxy, a gateway, and a workload behind it, with real sockets and TLS twice.</summary>
public sealed class DoubleHboneTests : IAsyncLifetime, IDisposable
{
    private const string Hostname = "remote.default.svc.cluster.local";
    private const string Told = "k8s.cluster.name=c2,k8s.namespace.name=far,k8s.deployment.name=echo-v7,service.name=echo,service.version=v7,cloud.region=r2";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly SpiffeId s_echo = SpiffeId.ForServiceAccount("cluster.local", "far", "echo");
    private static readonly SpiffeId s_gateway = SpiffeId.ForServiceAccount("cluster.local", "default", "gateway");

    private readonly DiagnosticsKit _kit = new();
    private readonly MetricRegistry _registry = new();
    private readonly MeshStore _store = new();
    private readonly TestAuthority _authority = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<HboneListener> _listeners = [];
    private readonly TaskCompletionSource<HboneConnect> _outer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<HboneConnect> _inner = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<RelayOutcome> _relayed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ConnectionTable _table = null!;
    private HboneClient _hbone = null!;
    private IPEndPoint _gateway = null!;

    public Task InitializeAsync()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);
        _table = new ConnectionTable(new ConnectionLog(_kit.Loggers), metrics, _registry, _kit.Time);
        _hbone = new HboneClient(new HboneClientOptions { Connector = new FromAnywhere() }, new Svids(_authority));
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _hbone.DisposeAsync();
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync();
        }
    }

    public void Dispose() => _stop.Dispose();

    /// <summary>A workload far away that answers, and a gateway that takes tunnels to it as they are.</summary>
    private void Start(string? baggage = Told, int innerStatus = 200, int outerStatus = 200, bool named = true, bool gatewayByName = false)
    {
        var echo = Listen(s_echo, async (connect, token) =>
        {
            _inner.TrySetResult(connect);
            if (innerStatus != 200)
            {
                connect.Reject(innerStatus);
                return;
            }

            await using var tunnel = connect.Accept(baggage);
            while (await tunnel.Input.ReadAsync(token) is { } read)
            {
                // Every byte twice.
                foreach (var segment in read.Buffer)
                {
                    tunnel.Output.Write(segment.Span);
                    tunnel.Output.Write(segment.Span);
                }

                tunnel.Input.AdvanceTo(read.Buffer.End);
                await tunnel.Output.FlushAsync(token);
                if (read.IsCompleted)
                {
                    await tunnel.Output.CompleteAsync();
                    return;
                }
            }
        });
        _gateway = Listen(s_gateway, async (connect, token) =>
        {
            _outer.TrySetResult(connect);
            if (outerStatus != 200)
            {
                connect.Reject(outerStatus);
                return;
            }

            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(echo, token);
            await using var tunnel = connect.Accept();
            _relayed.TrySetResult(await Relay.RunAsync(tunnel, socket, new RelayCounters(), token));
        });
        var service = new MeshService
        {
            Name = "remote", Namespace = "default", Hostname = Hostname, Ports = [new ServicePort(8080, 8080)],
            Vips = [new NetworkAddress("net1", IPAddress.Parse("10.10.0.1"))],
            SubjectAltNames = named ? [s_echo.ToString()] : [],
        };
        var gateways = new MeshService
        {
            Name = "gateways", Namespace = "default", Hostname = "gateways.default.svc.cluster.local", Ports = [new ServicePort(15009, _gateway.Port)],
        };
        var gateway = new Workload
        {
            Uid = "gateway", Name = "gateway", Network = "net1", Namespace = "default", ServiceAccount = "gateway", Addresses = [IPAddress.Loopback],
            WorkloadName = "gateway", CanonicalName = "gateway", CanonicalRevision = "latest",
            Services = ServicesOf(gateways, 15009, _gateway.Port),
        };
        var remote = new Workload
        {
            Uid = "remote", Name = "remote", Namespace = "far", ServiceAccount = "echo", Network = "net2",
            NetworkGateway = gatewayByName
                ? GatewayAddress.ByHostname("default", gateways.Hostname, 15009)
                : GatewayAddress.ByAddress(new NetworkAddress("net1", IPAddress.Loopback), _gateway.Port),
            Services = ServicesOf(service, 8080, 8080),
        };
        _store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(DiagnosticsKit.Sleep with { Network = "net1" }).Set(service).Set(gateways).Set(gateway).Set(remote).Build());
    }

    private static ImmutableDictionary<string, ImmutableArray<ServicePort>> ServicesOf(MeshService service, int port, int target) =>
        ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.SetItem(service.Key, [new ServicePort(port, target)]);

    private IPEndPoint Listen(SpiffeId id, HboneConnectHandler handler)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        var listener = new HboneListener(socket, new HboneServerOptions(), new Svids(_authority), (_, _) => new ValueTask<SpiffeId?>(id), handler);
        _listeners.Add(listener);
        _ = listener.RunAsync(_stop.Token);
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    private async Task<(Socket Client, Task Carrying)> CaptureAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndpoint);
        var captured = new CapturedConnection(
            await listener.AcceptSocketAsync(), IPEndPoint.Parse("10.77.0.2:44892"), IPEndPoint.Parse("10.10.0.1:8080"), _kit.Time.GetTimestamp(),
            LocalWorkload.ByUid(_store, DiagnosticsKit.Sleep.Uid, _kit.Time), null);
        var proxy = new OutboundProxy(_store, _hbone, new FromAnywhere(), _table, new ReservedPorts(socks5: false), _kit.Time, takePlaintext: null);
        return (client, proxy.RunAsync(captured, default));
    }

    private async Task<string> FailAsync()
    {
        var (client, carrying) = await CaptureAsync();
        using (client)
        {
            await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        }

        await carrying.WaitAsync(s_patience);
        Assert.Equal(0, _table.Count);
        return _kit.Text();
    }

    private string[] Metric(string name, string labels) =>
        [.. MetricsText().Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal) && line.Contains(labels, StringComparison.Ordinal))];

    private string MetricsText()
    {
        var text = Utf8TextBuilder.Rent();
        _registry.Write(text);
        var all = System.Text.Encoding.UTF8.GetString(text.Written);
        text.Return();
        return all;
    }

    [Fact]
    [Trait("Reference", "double_hbone1")]
    [Trait("Reference", "test_x_forwarded_network_header")]
    public async Task RemoteService_IsReachedThroughTheGateway_AndItsAnswerNamesIt()
    {
        Start();
        var (client, carrying) = await CaptureAsync();
        using (client)
        {
            await client.SendAsync("hello world"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            var answer = new byte[64];
            var read = 0;
            while (await client.ReceiveAsync(answer.AsMemory(read)).AsTask().WaitAsync(s_patience) is > 0 and var now)
            {
                read += now;
            }

            Assert.Equal(22, read);
        }

        await carrying.WaitAsync(s_patience);
        var (outer, inner) = (await _outer.Task, await _inner.Task);
        Assert.Equal(($"{Hostname}:8080", (string?)null), (outer.Authority, outer.ForwardedNetwork));
        Assert.Equal(($"{Hostname}:8080", "net1"), (inner.Authority, inner.ForwardedNetwork));
        Assert.Equal(DiagnosticsKit.Sleep.Identity, inner.PeerIdentity);
        var line = _kit.Text();
        Assert.Contains($"dst.addr={_gateway} dst.hbone_addr={Hostname}:8080 dst.service=\"{Hostname}\" dst.workload=\"echo\" dst.namespace=\"far\" dst.identity=\"{s_echo}\" dst.cluster=\"c2\"", line, StringComparison.Ordinal);
        Assert.Contains("bytes_sent=11 bytes_recv=22", line, StringComparison.Ordinal);
        Assert.DoesNotContain("error", line, StringComparison.Ordinal);
        var opened = Assert.Single(Metric("istio_tcp_connections_opened_total", "reporter=\"source\""));
        Assert.Contains($"destination_workload=\"echo-v7\",destination_canonical_service=\"echo\",destination_canonical_revision=\"v7\",destination_workload_namespace=\"far\",destination_principal=\"{s_echo}\"", opened, StringComparison.Ordinal);
        Assert.Contains("destination_region=\"r2\"", opened, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "double_hbone2")]
    public async Task Gateway_KnownByItsService_IsDialledAtItsTargetPort()
    {
        Start(gatewayByName: true);
        var (client, carrying) = await CaptureAsync();
        await _inner.Task.WaitAsync(s_patience);
        client.Shutdown(SocketShutdown.Send);
        await carrying.WaitAsync(s_patience);
        client.Dispose();

        Assert.Contains($"dst.addr={_gateway} ", _kit.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain("error", _kit.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task InnerPeer_ThatSaysNothing_LeavesTheGatewaysLabelsRatherThanNone()
    {
        Start(baggage: null);
        var (client, carrying) = await CaptureAsync();
        await _inner.Task.WaitAsync(s_patience);
        client.Shutdown(SocketShutdown.Send);
        await carrying.WaitAsync(s_patience);
        client.Dispose();

        Assert.Contains($"dst.workload=\"gateway\" dst.namespace=\"default\" dst.identity=\"{s_echo}\"", _kit.Text(), StringComparison.Ordinal);
        Assert.Single(Metric("istio_tcp_connections_opened_total", $"destination_workload=\"gateway\",destination_canonical_service=\"gateway\",destination_canonical_revision=\"latest\",destination_workload_namespace=\"default\",destination_principal=\"{s_echo}\""));
    }

    [Fact]
    public async Task InnerPeer_ThatTalksWithoutEnd_IsCutToALength()
    {
        Start(baggage: $"k8s.deployment.name={new string('n', 300)},service.name={new string('s', 12_000)},service.version=v77");
        var (client, carrying) = await CaptureAsync();
        await _inner.Task.WaitAsync(s_patience);
        client.Shutdown(SocketShutdown.Send);
        await carrying.WaitAsync(s_patience);
        client.Dispose();

        // A value is cut; of the whole answer 8 KB are kept, in whole entries.
        Assert.Contains($"destination_workload=\"{new string('n', 253)}\"", _registry.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain(new string('n', 254), _registry.Text() + _kit.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain("sss", _registry.Text() + _kit.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain("v77", _registry.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task InnerPeer_ThatRefuses_IsToldAsTheInnerLayer_AndCountedOnce()
    {
        Start(innerStatus: 401);

        Assert.Contains($"error=\"inner tunnel to {Hostname}:8080 through network gateway default/gateway ({_gateway}): http status: 401 Unauthorized\"", await FailAsync(), StringComparison.Ordinal);
        Assert.EndsWith(" 1", Assert.Single(Metric("istio_tcp_connections_opened_total", "reporter=\"source\"")), StringComparison.Ordinal);
        Assert.Single(Metric("istio_tcp_connections_failed_total", "response_flags=\"CONNECT\""));
    }

    [Fact]
    public async Task Gateway_ThatRefuses_IsToldAsTheOuterLayer()
    {
        Start(outerStatus: 503);

        Assert.Contains($"error=\"network gateway default/gateway ({_gateway}): http status: 503 Service Unavailable\"", await FailAsync(), StringComparison.Ordinal);
        Assert.False(_inner.Task.IsCompleted);
    }

    [Fact]
    public async Task ServiceWithoutNames_NobodyIsAcceptedBehindTheGateway()
    {
        Start(named: false);

        Assert.Contains($"inner tunnel to {Hostname}:8080 through network gateway default/gateway ({_gateway}): tls handshake error:", await FailAsync(), StringComparison.Ordinal);
        Assert.False(_inner.Task.IsCompleted);
    }

    [Fact]
    public async Task Drain_EndsBothLayers()
    {
        Start();
        var (client, carrying) = await CaptureAsync();
        using (client)
        {
            await client.SendAsync(new byte[1]);
            Assert.Equal(2, await ReadTwoAsync(client));

            _table.End(ConnectionEnd.Drain, _ => true);

            await carrying.WaitAsync(s_patience);
            await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        }

        Assert.Contains("error=\"connection closed due to connection drain\"", _kit.Text(), StringComparison.Ordinal);
        await _relayed.Task.WaitAsync(s_patience);

        static async Task<int> ReadTwoAsync(Socket socket)
        {
            var read = 0;
            while (read < 2)
            {
                read += await socket.ReceiveAsync(new byte[2 - read]).WaitAsync(s_patience);
            }

            return read;
        }
    }

    /// <summary>The workload's address is not one of this machine.</summary>
    private sealed class FromAnywhere : ISocketConnector
    {
        public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            SocketConnector.Default.ConnectAsync(destination, null, cancellationToken);
    }

    private sealed class Svids(TestAuthority authority) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(authority.Issue(id));
    }
}
