using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Inbound;

/// <summary>One workload's HBONE listener with the inbound proxy behind it, on a loopback address of its own; real sockets, real TLS.</summary>
internal sealed class InboundKit : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly CancellationTokenSource _stop = new();
    private readonly HboneListener _listener;
    private readonly HboneClient _client;
    private readonly PolicyWatch _watch;
    private readonly Socket _app;

    /// <param name="adjust">What is special about the workload, which serves at <see cref="PodAddress"/>.</param>
    /// <param name="more">What else is in the mesh.</param>
    /// <param name="options">Settings of the proxy.</param>
    /// <param name="logDecisions">AUTHZ_POLICY_INFO_LOGGING.</param>
    /// <param name="appAt">Where the application listens; the pod's address when null.</param>
    public InboundKit(
        Func<Workload, int, Workload>? adjust = null, Func<MeshSnapshotBuilder, int, MeshSnapshotBuilder>? more = null, InboundOptions? options = null,
        bool logDecisions = false, IPAddress? appAt = null)
    {
        PodAddress = new IPAddress([127, (byte)Random.Shared.Next(20, 250), (byte)Random.Shared.Next(256), (byte)Random.Shared.Next(1, 255)]);
        _app = Listen(appAt ?? PodAddress);
        var port = ((IPEndPoint)_app.LocalEndPoint!).Port;
        var workload = new Workload
        {
            Uid = "server", Name = "server", Namespace = "default", ServiceAccount = "server", Addresses = [PodAddress],
            WorkloadName = "server-v1", CanonicalName = "server", CanonicalRevision = "v1",
        };
        workload = adjust?.Invoke(workload, port) ?? workload;
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(workload);
        Mesh.Publish((more?.Invoke(builder, port) ?? builder).Build());

        Table = new ConnectionTable(new ConnectionLog(Log.Loggers), new TcpMetrics(Registry, NullLoggerFactory.Instance), Registry, TimeProvider.System);
        var sockets = new NodeSockets(new NodeSocketOptions { OriginalSource = OriginalSource.Off }, NullLogger.Instance);
        var proxy = new InboundProxy(
            Mesh, new Delivery(sockets, TimeProvider.System), Table, new ReservedPorts(socks5: false),
            new InboundAuthorizer(Log.Loggers.CreateLogger("rbac"), logDecisions), options ?? new InboundOptions(), TimeProvider.System);
        _watch = new PolicyWatch(Mesh, Table, Log.Loggers.CreateLogger("Inbound"));
        var local = LocalWorkload.ByUid(Mesh, workload.Uid, TimeProvider.System);
        var socket = Listen(PodAddress);
        HboneAddress = (IPEndPoint)socket.LocalEndPoint!;
        var svids = new Svids(new TestAuthority());
        _listener = new HboneListener(
            socket, new HboneServerOptions(), svids, (_, _) => new ValueTask<SpiffeId?>(workload.Identity), (connect, token) => proxy.RunAsync(connect, local, null, token));
        _client = new HboneClient(new HboneClientOptions(), svids);
        Server = workload.Identity;
        _ = _listener.RunAsync(_stop.Token);
    }

    public DiagnosticsKit Log { get; } = new();

    public MetricRegistry Registry { get; } = new();

    public MeshStore Mesh { get; } = new();

    public ConnectionTable Table { get; }

    public IPAddress PodAddress { get; }

    public IPEndPoint HboneAddress { get; }

    public SpiffeId Server { get; }

    public SpiffeId Client { get; } = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep");

    public IPEndPoint App => (IPEndPoint)_app.LocalEndPoint!;

    public async Task<HboneTunnel> ConnectAsync(string? authority = null, Func<HboneConnectRequest, HboneConnectRequest>? adjust = null)
    {
        var request = new HboneConnectRequest
        {
            NextHop = HboneAddress,
            Authority = authority ?? new IPEndPoint(PodAddress, App.Port).ToString(),
            Source = Client,
            AcceptedIdentities = [Server],
        };
        return await _client.ConnectAsync(adjust?.Invoke(request) ?? request).AsTask().WaitAsync(Patience);
    }

    /// <summary>The application's end of the next connection.</summary>
    public Task<Socket> AcceptAsync() => _app.AcceptAsync().WaitAsync(Patience);

    /// <summary>Changes the mesh.</summary>
    public void Publish(Func<MeshSnapshotBuilder, MeshSnapshotBuilder> change) => Mesh.Publish(change(new MeshSnapshotBuilder(Mesh.Current)).Build());

    public async Task<string> WaitForLogAsync(string text)
    {
        for (var tries = 0; !Log.Text().Contains(text, StringComparison.Ordinal); tries++)
        {
            Assert.True(tries < 600, $"no line with {text} in:\n{Log.Text()}");
            await Task.Delay(50);
        }

        return Log.Text();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _client.DisposeAsync();
        await _listener.DisposeAsync();
        _watch.Dispose();
        _app.Dispose();
        _stop.Dispose();
    }

    private static Socket Listen(IPAddress address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        socket.Listen();
        return socket;
    }

    private sealed class Svids(TestAuthority authority) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(authority.Issue(id));
    }
}
