using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Node.Waypoint;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Xunit;
using MeshGateway = Ambient.Mesh.Gateway;

namespace Ambient.Node.Tests.Requests;

/// <summary>What is compiled for a place lasts as long as what it was compiled from.</summary>
public sealed class RequestPlacesTests
{
    private static readonly MeshService s_service = new() { Name = "s", Namespace = "ns", Hostname = "s.ns.svc.cluster.local" };
    private static readonly MeshGateway s_gateway = new() { Name = "w", Namespace = "ns", ClassName = "istio-waypoint", Listeners = [] };
    private readonly MeshStore _store = new();
    private readonly RequestPlaces _places;
    private int _compiled;

    public RequestPlacesTests()
    {
        _places = new RequestPlaces(_store, (mesh, key, earlier) => mesh.Services.TryGetValue(key, out var service)
            ? CompiledPlace.Of(mesh, service, earlier, (policies, routes) =>
            {
                _compiled++;
                return (RequestPolicies.ForWaypoint(mesh, s_gateway, service, policies), RequestRoutes.ForService(mesh, service, null, routes));
            })
            : null);
        Change(mesh => mesh.Set(s_service));
    }

    [Fact]
    public void Find_OfAPodsUpdate_CompilesNothing()
    {
        var first = _places.Find(s_service.Key)!;
        for (var i = 0; i < 100; i++)
        {
            Change(mesh => mesh.Set(Pod(i)));
            if (i % 3 == 0)
            {
                // In some snapshots nobody asks; what was compiled is not lost by that.
                var place = _places.Find(s_service.Key)!;
                Assert.Same(first.Policies, place.Policies);
                Assert.Same(first.Routes, place.Routes);
                Assert.Same(_store.Current, place.Mesh);
            }
        }

        Assert.Equal(1, _compiled);
    }

    [Fact]
    public void Find_OfAPolicyOrServiceChanged_CompilesAnew()
    {
        _places.Find(s_service.Key);

        Change(mesh => mesh.Set(new RequestConfiguration { RootNamespace = "other" }));
        _places.Find(s_service.Key);
        Change(mesh => mesh.Set(s_service with { Canonical = true }));
        Assert.True(_places.Find(s_service.Key)!.Service!.Canonical);

        Assert.Equal(3, _compiled);
    }

    [Fact]
    public void Find_OfAPlaceThatIsGone_IsNull()
    {
        Assert.NotNull(_places.Find(s_service.Key));
        Change(mesh => mesh.RemoveService(s_service.Key));
        Assert.Null(_places.Find(s_service.Key));
    }

    [Fact]
    public void ServicesThatAreGone_AreForgotten_ThoughNobodyAsksForThem()
    {
        for (var i = 0; i < 5; i++)
        {
            var service = s_service with { Name = $"s{i}", Hostname = $"s{i}.ns.svc.cluster.local" };
            Change(mesh => mesh.Set(service));
            Assert.NotNull(_places.Find(service.Key));
            Change(mesh => mesh.RemoveService(service.Key));
        }

        _places.Find(s_service.Key);
        Assert.Equal(1, _places.Compiled);
    }

    [Fact]
    public void StreamRoutes_OfAnEarlierConfiguration_AreForgotten()
    {
        var own = new Workload { Uid = "w", Name = "w", Namespace = "ns", Addresses = [IPAddress.Loopback] };
        var entrance = new WaypointEntrance(_store, "ns/w", LocalWorkload.ByUid(_store, own.Uid, TimeProvider.System));
        Change(mesh => mesh.Set(own));
        var first = entrance.StreamsOf(_store.Current, s_service);
        Assert.Same(first, entrance.StreamsOf(_store.Current, s_service));
        for (var i = 0; i < 5; i++)
        {
            var service = s_service with { Name = $"s{i}", Hostname = $"s{i}.ns.svc.cluster.local" };
            Change(mesh => mesh.Set(service));
            entrance.StreamsOf(_store.Current, service);
            Change(mesh => mesh.RemoveService(service.Key));
        }

        entrance.StreamsOf(_store.Current, s_service);
        Assert.Equal(1, entrance.Streams);

        // Pods come and go without a change of it.
        var held = entrance.StreamsOf(_store.Current, s_service);
        Change(mesh => mesh.Set(Pod(1)));
        Assert.Same(held, entrance.StreamsOf(_store.Current, s_service));
    }

    private static Workload Pod(int i) => new() { Uid = $"p{i}", Name = $"p{i}", Namespace = "ns", Addresses = [new IPAddress([10, 0, 0, (byte)i])] };

    private void Change(Func<MeshSnapshotBuilder, MeshSnapshotBuilder> change) => _store.Publish(change(new MeshSnapshotBuilder(_store.Current)).Build());
}
