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
}
