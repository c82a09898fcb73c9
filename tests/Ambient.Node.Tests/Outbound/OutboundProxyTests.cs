using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Outbound;
using Ambient.Node.Tests.Diagnostics;

namespace Ambient.Node.Tests.Outbound;

public sealed class OutboundProxyTests
{
    [Fact]
    public async Task Run_FaultThatNobodyForesaw_EndsTheConnectionAndIsLogged()
    {
        var kit = new DiagnosticsKit();
        var store = new MeshStore();
        store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(DiagnosticsKit.Sleep).Build());
        var table = new ConnectionTable(new ConnectionLog(kit.Loggers), null, null, kit.Time);
        await using var hbone = new HboneClient(new HboneClientOptions(), new NoSvids(), kit.Time);
        var proxy = new OutboundProxy(store, hbone, new BrokenConnector(), table, new ReservedPorts(socks5: false), kit.Time, takePlaintext: null);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        var accepted = await listener.AcceptSocketAsync();
        var captured = new CapturedConnection(
            accepted, IPEndPoint.Parse("10.77.0.2:1"), IPEndPoint.Parse("192.0.2.1:80"), kit.Time.GetTimestamp(), LocalWorkload.ByUid(store, DiagnosticsKit.Sleep.Uid, kit.Time), null);

        await proxy.RunAsync(captured, default).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal(0, table.Count);
        Assert.Contains("internal error, please report it: InvalidOperationException: the connector is broken", kit.Text(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(() => client.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
    }

    private sealed class BrokenConnector : ISocketConnector
    {
        public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("the connector is broken");
    }

    private sealed class NoSvids : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => throw new SvidUnavailableException("none");
    }
}
