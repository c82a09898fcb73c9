using System.Net;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Testing.Certificates;

namespace Ambient.Node.Tests.Requests.Upstreams;

public sealed class UpstreamPoolTests
{
    [Fact]
    public async Task Acquire_OfEveryPortThatAClientThinksOf_KeepsFewAndThoseInUse()
    {
        var workload = new Workload { Uid = "a", Name = "a-0", Namespace = "app", ServiceAccount = "a", Addresses = [IPAddress.Loopback] };
        var store = new MeshStore();
        await using var svids = new SvidCache(new TestAuthority());
        await using var client = new HboneClient(new HboneClientOptions(), svids);
        var dialer = new UpstreamDialer(client, SocketConnector.Default, LocalWorkload.ByUid(store, workload.Uid, TimeProvider.System));
        using var pool = new UpstreamPool(store, dialer, new UpstreamOptions { MaxKept = 8 }, TimeProvider.System);
        var busy = pool.Acquire(At(1));
        for (var port = 2; port < 100; port++)
        {
            pool.Acquire(At(port)).Release();
        }

        Assert.InRange(pool.Count, 1, 8);
        var again = pool.Acquire(At(1));
        Assert.Same(busy, again);
        busy.Release();
        again.Release();

        UpstreamEndpoint At(int port) => new(workload, new IPEndPoint(workload.Addresses[0], port), Http2: false);
    }

    [Fact]
    public async Task Acquire_OfTheSameEndpoint_FindsItsUpstream_UntilThatIsRetired()
    {
        var workload = new Workload { Uid = "a", Name = "a-0", Namespace = "app", ServiceAccount = "a", Addresses = [IPAddress.Loopback] };
        var store = new MeshStore();
        store.Publish(new MeshSnapshotBuilder(store.Current).Set(workload).Build());
        await using var svids = new SvidCache(new TestAuthority());
        await using var client = new HboneClient(new HboneClientOptions(), svids);
        var dialer = new UpstreamDialer(client, SocketConnector.Default, LocalWorkload.ByUid(store, workload.Uid, TimeProvider.System));
        using var pool = new UpstreamPool(store, dialer, new UpstreamOptions(), TimeProvider.System);
        using var other = new UpstreamPool(store, dialer, new UpstreamOptions(), TimeProvider.System);
        var endpoint = new UpstreamEndpoint(workload, new IPEndPoint(workload.Addresses[0], 1), Http2: false);
        var first = pool.Acquire(endpoint);
        Assert.Same(first, pool.Acquire(endpoint));
        Assert.NotSame(first, other.Acquire(endpoint));
        Assert.Same(first, pool.Acquire(new UpstreamEndpoint(workload, new IPEndPoint(workload.Addresses[0], 1), Http2: false)));
        Assert.NotSame(first, pool.Acquire(new UpstreamEndpoint(workload, new IPEndPoint(workload.Addresses[0], 1), Http2: true)));

        // In use all the while: what is under way ends there, and what comes does not begin there.
        store.Publish(new MeshSnapshotBuilder(store.Current).RemoveWorkload(workload.Uid).Build());
        Assert.NotSame(first, pool.Acquire(endpoint));
    }

    [Fact]
    public async Task Acquire_OfWhatOneClientThinksOf_LeavesOthersTheirs()
    {
        var workload = new Workload { Uid = "a", Name = "a-0", Namespace = "app", ServiceAccount = "a", Addresses = [IPAddress.Loopback] };
        var other = workload with { Uid = "b", Name = "b-0" };
        var store = new MeshStore();
        await using var svids = new SvidCache(new TestAuthority());
        await using var client = new HboneClient(new HboneClientOptions(), svids);
        var dialer = new UpstreamDialer(client, SocketConnector.Default, LocalWorkload.ByUid(store, workload.Uid, TimeProvider.System));
        using var pool = new UpstreamPool(store, dialer, new UpstreamOptions { MaxKept = 8 }, TimeProvider.System);
        var kept = Enumerable.Range(1, 4).Select(port => pool.Acquire(Of(other, port))).ToArray();
        foreach (var upstream in kept)
        {
            upstream.Release();
        }

        // Nobody uses the others' just when a name comes that was never asked for before, but they come back to them.
        for (var i = 0; i < 200; i++)
        {
            pool.Acquire(Of(workload, 80) with { HostName = $"{i}.example" }).Release();
            for (var port = 1; port <= 4; port++)
            {
                var again = pool.Acquire(Of(other, port));
                Assert.Same(kept[port - 1], again);
                again.Release();
            }
        }

        Assert.InRange(pool.Count, 5, 8);

        static UpstreamEndpoint Of(Workload workload, int port) => new(workload, new IPEndPoint(workload.Addresses[0], port), Http2: false);
    }
}
