using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Requests.Upstreams;

/// <summary>Connections to an endpoint: used again, bounded, let go when idle or retired.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class UpstreamConnectionsTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly SvidCache _svids = new(new TestAuthority());
    private readonly MeshStore _store = new();

    // The pool's own: what a busy machine takes is not what it measures.
    private readonly FakeTimeProvider _time = new();
    private HboneClient _client = null!;
    private int _accepted;
    private int _open;

    public Task InitializeAsync()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _ = AcceptAsync();
        _client = new HboneClient(new HboneClientOptions(), _svids);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _listener.Dispose();
        await _client.DisposeAsync();
        await _svids.DisposeAsync();
    }

    [Fact]
    public async Task Connection_IsUsedAgain_AndLetGoWhenItIdles()
    {
        var options = new UpstreamOptions();
        using var pool = Pool(options);
        for (var i = 0; i < 5; i++)
        {
            await AskAsync(pool);
        }

        Assert.Equal(1, _accepted);
        await UntilAsync(() =>
        {
            _time.Advance(options.IdleTimeout / 4);
            return Volatile.Read(ref _open) == 0;
        });
        await AskAsync(pool);
        Assert.Equal(2, _accepted);
    }

    [Fact]
    public async Task Connection_BeyondItsLifetime_TakesNoNewRequest()
    {
        var options = new UpstreamOptions { Lifetime = TimeSpan.FromSeconds(1) };
        using var pool = Pool(options);
        await AskAsync(pool);
        _time.Advance(options.Lifetime);
        await AskAsync(pool);
        Assert.Equal(2, _accepted);
    }

    [Fact]
    public async Task Requests_BeyondTheBound_WaitForTheirTurn_AndNoLongerThanForAConnection()
    {
        var options = new UpstreamOptions { MaxConnections = 1 };
        using var pool = Pool(options);
        var upstream = pool.Acquire(Endpoint);
        var first = await Task.Run(async () => await upstream.BeginAsync(onNew: false));
        var inVain = Task.Run(async () => await upstream.BeginAsync(onNew: false));
        await UntilAsync(() =>
        {
            _time.Advance(options.ConnectTimeout / 8);
            return inVain.IsCompleted;
        });
        await Assert.ThrowsAsync<UpstreamConnectException>(() => inVain);

        var waiting = Task.Run(async () => await upstream.BeginAsync(onNew: false));
        await EndAsync(first.Exchange);
        var second = await waiting.WaitAsync(s_patience);
        Assert.True(second.IsReused);
        await EndAsync(second.Exchange);
        upstream.Release();
        Assert.Equal(1, _accepted);
    }

    [Fact]
    public async Task Endpoint_ThatIsGone_LosesItsConnections()
    {
        using var pool = Pool(new UpstreamOptions());
        await AskAsync(pool);
        Assert.Equal(1, Volatile.Read(ref _open));
        _store.Publish(new MeshSnapshotBuilder(_store.Current).RemoveWorkload("a").Build());
        await UntilAsync(() => Volatile.Read(ref _open) == 0);
        Assert.Equal(0, pool.Count);
    }

    [Fact]
    public async Task Nobody_AtTheEndpoint_IsSaidWithItsName()
    {
        using var pool = Pool(new UpstreamOptions());
        _listener.Dispose();
        var upstream = pool.Acquire(Endpoint);
        var failure = await Assert.ThrowsAsync<UpstreamConnectException>(async () => await upstream.BeginAsync(onNew: false));
        Assert.Contains("app/a-0 at ", failure.Message, StringComparison.Ordinal);
        upstream.Release();
    }

    [Fact]
    public async Task MaxRequestsPerConnection_MakesAnotherAfterwards()
    {
        using var pool = Pool(new UpstreamOptions());
        Endpoint = Endpoint with { Limits = new BackendLimits(new ConnectionPoolSettings { MaxRequestsPerConnection = 2 }, pool.Options) };
        for (var i = 0; i < 6; i++)
        {
            await AskAsync(pool);
        }

        Assert.Equal(3, _accepted);
        await UntilAsync(() => Volatile.Read(ref _open) == 0);
        Assert.Equal(0, Endpoint.Limits!.Open);
    }

    [Fact]
    public async Task MaxConnections_HasOthersWait_AndMaxPendingRequestsRefusesTheRest()
    {
        using var pool = Pool(new UpstreamOptions());
        Endpoint = Endpoint with { Limits = new BackendLimits(new ConnectionPoolSettings { MaxConnections = 1, MaxPendingRequests = 1 }, pool.Options) };
        var upstream = pool.Acquire(Endpoint);
        var first = await Task.Run(async () => await upstream.BeginAsync(onNew: false)).WaitAsync(s_patience);
        var second = Task.Run(async () => await upstream.BeginAsync(onNew: false));
        await UntilAsync(() => Endpoint.Limits!.Waiting == 1);
        await Assert.ThrowsAsync<UpstreamOverflowException>(async () => await Task.Run(async () => await upstream.BeginAsync(onNew: false)));
        await EndAsync(first.Exchange);
        await EndAsync((await second.WaitAsync(s_patience)).Exchange);
        Assert.Equal(0, Endpoint.Limits!.Waiting);
        Assert.Equal(1, Endpoint.Limits.Open);
        Assert.Equal(1, _accepted);
        upstream.Release();
    }

    [Fact]
    public async Task IdleTimeout_OfARule_IsHeededBeforeTheNextSweep()
    {
        using var pool = Pool(new UpstreamOptions());
        Endpoint = Endpoint with { Limits = new BackendLimits(new ConnectionPoolSettings { IdleTimeout = TimeSpan.FromSeconds(2) }, pool.Options) };
        await AskAsync(pool);
        _time.Advance(TimeSpan.FromSeconds(1));
        await AskAsync(pool);
        Assert.Equal(1, _accepted);
        _time.Advance(TimeSpan.FromSeconds(2));
        await AskAsync(pool);
        Assert.Equal(2, _accepted);
    }

    [Fact]
    public async Task Connection_ThatHasIdledForTooLong_MakesRoomForAnother_BeforeTheNextSweep()
    {
        using var pool = Pool(new UpstreamOptions());
        Endpoint = Endpoint with { Limits = new BackendLimits(new ConnectionPoolSettings { MaxConnections = 1, IdleTimeout = TimeSpan.FromSeconds(2) }, pool.Options) };
        await AskAsync(pool);
        _time.Advance(TimeSpan.FromSeconds(2));
        await AskAsync(pool);
        Assert.Equal(2, _accepted);
        Assert.Equal(1, Endpoint.Limits!.Open);
    }

    [Fact]
    public async Task Connection_BeyondItsLifetime_MakesRoomForAnother()
    {
        using var pool = Pool(new UpstreamOptions { MaxConnections = 1, Lifetime = TimeSpan.FromSeconds(1) });
        await AskAsync(pool);
        _time.Advance(TimeSpan.FromSeconds(1));
        await AskAsync(pool);
        Assert.Equal(2, _accepted);
        await UntilAsync(() => Volatile.Read(ref _open) == 1);
    }

    [Fact]
    public async Task Request_ThatAsksForANewConnection_TakesTheOneThatIsFree_WhereThereMayBeNoOther()
    {
        using var pool = Pool(new UpstreamOptions { MaxConnections = 1 });
        await AskAsync(pool);
        var upstream = pool.Acquire(Endpoint);
        var turn = await Task.Run(async () => await upstream.BeginAsync(onNew: true)).WaitAsync(s_patience);
        Assert.True(turn.IsReused);
        await EndAsync(turn.Exchange);
        upstream.Release();
    }

    [Fact]
    public async Task Wait_ThatIsEnded_LeavesTheQueue_AndSaysThatItWasForRoom()
    {
        using var pool = Pool(new UpstreamOptions { MaxConnections = 1 });
        Endpoint = Endpoint with { Limits = new BackendLimits(new ConnectionPoolSettings(), pool.Options) };
        var upstream = pool.Acquire(Endpoint);
        var first = await Task.Run(async () => await upstream.BeginAsync(onNew: false)).WaitAsync(s_patience);
        using var patience = new CancellationTokenSource();
        var waiting = Task.Run(async () => await upstream.BeginAsync(onNew: false, patience.Token));
        await UntilAsync(() => Endpoint.Limits!.Waiting == 1);
        await patience.CancelAsync();
        var failure = await Assert.ThrowsAsync<UpstreamConnectException>(() => waiting.WaitAsync(s_patience));
        Assert.True(failure.IsForRoom);
        Assert.Equal(0, Endpoint.Limits!.Waiting);

        // Nobody took the connection on behalf of the one that has left.
        await EndAsync(first.Exchange);
        var next = await Task.Run(async () => await upstream.BeginAsync(onNew: false)).WaitAsync(s_patience);
        Assert.True(next.IsReused);
        await EndAsync(next.Exchange);
        upstream.Release();
        Assert.Equal(1, _accepted);
    }

    private UpstreamEndpoint Endpoint { get; set; } = null!;

    private UpstreamPool Pool(UpstreamOptions options)
    {
        var workload = new Workload { Uid = "a", Name = "a-0", Namespace = "app", ServiceAccount = "a", Addresses = [IPAddress.Loopback], Protocol = TunnelProtocol.Tcp };
        _store.Publish(new MeshSnapshotBuilder(_store.Current).Set(workload).Build());
        Endpoint = new UpstreamEndpoint(workload, (IPEndPoint)_listener.LocalEndPoint!, Http2: false);
        return new UpstreamPool(_store, new UpstreamDialer(_client, SocketConnector.Default, LocalWorkload.ByUid(_store, "a", TimeProvider.System)), options, _time);
    }

    // From the thread pool, as each thread that moves bytes has connections of its own.
    private Task AskAsync(UpstreamPool pool) => Task.Run(() => AskHereAsync(pool));

    private async Task AskHereAsync(UpstreamPool pool)
    {
        var upstream = pool.Acquire(Endpoint);
        var turn = await upstream.BeginAsync(onNew: false).AsTask().WaitAsync(s_patience);
        await EndAsync(turn.Exchange);
        upstream.Release();
    }

    private static async Task EndAsync(ClientExchange exchange)
    {
        await exchange.SendHeadAsync(new RequestHead { Method = "GET", Target = "/", Authority = "a" }, end: true);
        Assert.Equal(200, (await exchange.ReceiveHeadAsync().AsTask().WaitAsync(s_patience)).Status);
        while (!(await exchange.ReadAsync().AsTask().WaitAsync(s_patience)).IsEmpty)
        {
        }

        await exchange.DisposeAsync();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                Interlocked.Increment(ref _accepted);
                Interlocked.Increment(ref _open);
                _ = ServeAsync(socket);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            while (await RawExchange.ReadAsync(stream, hasBody: null) is { Length: > 0 })
            {
                await stream.WriteAsync(RawExchange.Bytes("HTTP/1.1 200 OK\ncontent-length: 2\n\nok"));
            }
        }
        catch (IOException)
        {
            // The client went away.
        }

        Interlocked.Decrement(ref _open);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        while (!condition())
        {
            await Task.Delay(20, deadline.Token);
        }
    }
}
