using System.Net.Sockets;
using Ambient.Node.Capture.PodNetwork;
using Ambient.Node.Protos.Zds;
using Ambient.Node.Sockets;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Capture.PodNetwork;

public sealed class ZdsServerTests : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"ambient-zds-{Guid.NewGuid():N}.sock");
    private readonly PodNamespace? _network;
    private readonly ZdsServer? _server;

    public ZdsServerTests()
    {
        if (OperatingSystem.IsLinux())
        {
            _network = PodNamespace.Open("/proc/self/ns/net");
            _server = ZdsServer.Listen(_path, TimeProvider.System, NullLogger.Instance);
        }
    }

    private ZdsServer Server
    {
        get
        {
            Skip.If(_server is null, "SOCK_SEQPACKET is Linux's");
            return _server!;
        }
    }

    [SkippableFact]
    public async Task NewZtunnel_IsToldOfAllPods_ThenOfTheEndOfTheList()
    {
        Assert.Null(await Server.AddAsync(Pod("1"), CancellationToken.None));
        await Server.AddAsync(Pod("2") with { Network = null }, CancellationToken.None);

        using var ztunnel = Connect();
        Assert.Equal(("1", "default", "pod-1", "sa-1"), await AddedAsync(ztunnel));
        Assert.Equal("2", (await NextAsync(ztunnel)).Keep.Uid);
        Assert.NotNull((await NextAsync(ztunnel)).SnapshotSent);
        Assert.True(SpinWait.SpinUntil(() => Server.Welcomed == 1, s_patience));
    }

    [SkippableFact]
    public async Task LaterPods_GoToTheNewestOnly_AndRemovalsToAll()
    {
        using var older = Connect();
        Assert.NotNull((await NextAsync(older)).SnapshotSent);
        Assert.True(SpinWait.SpinUntil(() => Server.Welcomed == 1, s_patience));
        using var newer = Connect();
        Assert.NotNull((await NextAsync(newer)).SnapshotSent);
        Assert.True(SpinWait.SpinUntil(() => Server.Welcomed == 2, s_patience));

        var adding = Server.AddAsync(Pod("1"), CancellationToken.None);
        Assert.Equal("1", (await AddedAsync(newer, "no room")).Uid);
        Assert.Equal("no room", await adding);
        var removing = Server.DeleteAsync("1", CancellationToken.None);
        Assert.Equal("1", (await NextAsync(older)).Del.Uid);
        Assert.Equal("1", (await NextAsync(newer)).Del.Uid);
        Assert.Empty(await removing);
    }

    [SkippableFact]
    public async Task NothingIsSent_BeforeTheAnswerToWhatWentBefore()
    {
        await Server.AddAsync(Pod("1"), CancellationToken.None);
        using var ztunnel = Connect();
        var buffer = new byte[1024];
        Assert.True(await ztunnel.ReceiveAsync(buffer).WaitAsync(s_patience) > 0);

        Assert.False(ztunnel.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead));

        await ztunnel.SendAsync(new WorkloadResponse { Ack = new Ack() }.ToByteArray());
        Assert.NotNull((await NextAsync(ztunnel)).SnapshotSent);
    }

    [SkippableFact]
    public async Task ZtunnelThatIsGone_IsForgotten_AndTheOneBeforeItIsTold()
    {
        using var older = Connect();
        await NextAsync(older);
        Assert.True(SpinWait.SpinUntil(() => Server.Welcomed == 1, s_patience));
        var newer = Connect();
        await NextAsync(newer);
        Assert.True(SpinWait.SpinUntil(() => Server.Welcomed == 2, s_patience));
        newer.Dispose();

        var adding = Server.AddAsync(Pod("1"), CancellationToken.None);

        Assert.Equal("1", (await AddedAsync(older)).Uid);
        Assert.Equal("", await adding);
    }

    [SkippableFact]
    public async Task WrongHello_EndsTheConnection()
    {
        _ = Server;
        using var ztunnel = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        await ztunnel.ConnectAsync(new UnixDomainSocketEndPoint(_path));

        await ztunnel.SendAsync(new byte[] { 0xff, 0xff });

        Assert.Equal(0, await ztunnel.ReceiveAsync(new byte[8]).WaitAsync(s_patience));
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _network?.Dispose();
    }

    private ZdsPod Pod(string uid) => new(uid, "default", $"pod-{uid}", $"sa-{uid}", _network);

    private Socket Connect()
    {
        _ = Server;
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_path));
        socket.Send(new ZdsHello { Version = Ambient.Node.Protos.Zds.Version.V1 }.ToByteArray());
        return socket;
    }

    private static async Task<(string Uid, string Namespace, string Name, string ServiceAccount)> AddedAsync(Socket ztunnel, string complaint = "")
    {
        var add = (await NextAsync(ztunnel, complaint)).Add;
        return (add.Uid, add.WorkloadInfo.Namespace, add.WorkloadInfo.Name, add.WorkloadInfo.ServiceAccount);
    }

    private static async Task<WorkloadRequest> NextAsync(Socket ztunnel, string complaint = "")
    {
        var buffer = new byte[1024];
        var length = await ztunnel.ReceiveAsync(buffer).WaitAsync(s_patience);
        await ztunnel.SendAsync(new WorkloadResponse { Ack = new Ack { Error = complaint } }.ToByteArray());
        return WorkloadRequest.Parser.ParseFrom(buffer, 0, length);
    }
}
