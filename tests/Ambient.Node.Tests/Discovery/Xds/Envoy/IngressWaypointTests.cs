using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>A gateway that istiod tells to go through a service's waypoint (<c>istio.io/ingress-use-waypoint</c>): to its instances, and to nobody behind them.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class IngressWaypointTests : IAsyncLifetime
{
    private readonly ToldMesh _mesh = new(isGateway: true);
    private readonly ConcurrentQueue<(IPAddress Waypoint, string Authority, string? Source, SpiffeId Peer)> _tunnels = [];
    private TestPod _app = null!;

    public async Task InitializeAsync() => _app = await _mesh.AppAsync("app", _mesh.Mesh.NewAddress());

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Request_EntersByTheWaypoint_UnderTheServicesAddress()
    {
        var waypoint = Waypoint("waypoint");
        await _mesh.StartAsync([_mesh.BehindWaypoint(waypoint)]);

        Assert.Equal("hello from app", await _mesh.GetAsync());

        Assert.Equal((waypoint, $"{_mesh.Vip}:80", null, _mesh.Self), Assert.Single(_tunnels));
        Assert.Equal("", _mesh.Said);
        await _mesh.Mesh.LoggedAsync($"dst.addr={_mesh.Vip}:80 dst.hbone_addr=\"{_mesh.Vip}:80\" dst.workload=\"{ToldMesh.Host} through {waypoint}:15008\"");
    }

    [Fact]
    public async Task Bytes_EnterByTheWaypointToo()
    {
        await _mesh.StartAsync([_mesh.BehindWaypoint(Waypoint("waypoint"))], isOpaque: true);
        await using var stream = await _mesh.ConnectAsync();
        await stream.WriteAsync("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(stream);

        Assert.Contains("hello from app", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waypoint_ThatIsSomebodyElse_IsRefused()
    {
        var waypoint = Waypoint("other", known: "waypoint");
        await _mesh.StartAsync([_mesh.BehindWaypoint(waypoint)]);

        await _mesh.RefusedAsync($"the peer is {TestMesh.Id("other")}, and accepted here is {TestMesh.Id("waypoint")}");
        Assert.Empty(_tunnels);
    }

    [Fact]
    public async Task Waypoint_OfWhichNobodySaysWhoItIs_IsNotEntered()
    {
        var waypoint = Waypoint("waypoint", known: null);
        await _mesh.StartAsync([_mesh.BehindWaypoint(waypoint)]);

        await _mesh.RefusedAsync("unknown waypoint: waypoint");
        Assert.Empty(_tunnels);
    }

    [Fact]
    public async Task InstanceThatIsGone_LeavesTheOthers()
    {
        var gone = _mesh.Mesh.NewAddress();
        _mesh.AddWorkload("waypoint-gone", gone, "waypoint");
        await _mesh.StartAsync([_mesh.BehindWaypoint(gone)]);
        await _mesh.RefusedAsync("cannot connect");

        var waypoint = Waypoint("waypoint");
        _mesh.Endpoints(_mesh.BehindWaypoint(gone), _mesh.BehindWaypoint(waypoint));
        for (var i = 0; i < 8; i++)
        {
            Assert.Equal("hello from app", await _mesh.GetAsync());
        }
    }

    [Fact]
    public async Task Refusal_IsAnAnswerOfItsOwn_AndNobodyIsAskedBehindIt()
    {
        var waypoint = _mesh.Mesh.NewAddress();
        _mesh.AddWorkload("waypoint-refusing", waypoint, "waypoint");
        _mesh.Listen(waypoint, TestMesh.Id("waypoint"), static (connect, _) =>
        {
            connect.Reject(401);
            return ValueTask.CompletedTask;
        });
        await _mesh.StartAsync([_mesh.BehindWaypoint(waypoint)]);

        await _mesh.RefusedAsync("http status: 401 Unauthorized");
        Assert.Empty(_app.Requests);
    }

    [Fact]
    public async Task Explanation_SaysTheWay()
    {
        var waypoint = Waypoint("waypoint");
        await _mesh.StartAsync([_mesh.BehindWaypoint(waypoint)]);
        var text = _mesh.Explain();

        Assert.Contains(
            $"by a tunnel to the waypoint {waypoint}:15008 of app/waypoint-{waypoint}, for {_mesh.Vip}:80; accepts {TestMesh.Id("waypoint")}", text, StringComparison.Ordinal);
    }

    /// <summary>An instance of the waypoint.</summary>
    /// <param name="account">Whose certificate it has.</param>
    /// <param name="known">The account that istiod says it has; null: it says nothing of it.</param>
    private IPAddress Waypoint(string account, string? known = "waypoint")
    {
        var address = _mesh.Mesh.NewAddress();
        if (known is not null)
        {
            _mesh.AddWorkload($"waypoint-{address}", address, known);
        }

        _mesh.Listen(address, TestMesh.Id(account), (connect, token) =>
        {
            _tunnels.Enqueue((address, connect.Authority, connect.RequestSource, connect.PeerIdentity));
            return ToldMesh.RelayAsync(connect, new IPEndPoint(_app.Workload.Addresses[0], 8080), token);
        });
        return address;
    }
}
