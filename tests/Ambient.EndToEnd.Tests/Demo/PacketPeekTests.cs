using System.Net;
using System.Net.Sockets;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Demo;

public class PacketPeekTests
{
    [Fact]
    public void FindRequestLine_InPlainHttp_FindsIt() =>
        Assert.Equal("GET /productpage HTTP/1.1", PacketPeek.FindRequestLine("noise\r\nGET /productpage HTTP/1.1\r\nHost: x\r\n\r\n"u8));

    [Fact]
    public void FindRequestLine_InTlsRecords_FindsNothing() =>
        Assert.Null(PacketPeek.FindRequestLine([0x17, 0x03, 0x03, 0x00, 0x20, 0x8f, 0x11, 0x0d, 0x0a]));

    [SkippableFact]
    public async Task TryStart_OnLoopbackTraffic_SeesWhatWasSentAndNothingElse()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var watched = (IPEndPoint)listener.LocalEndpoint;
        await using var peek = PacketPeek.TryStart(PacketPeek.RawSocket, watched);
        Skip.If(peek is null, "needs CAP_NET_RAW");

        using var client = new TcpClient();
        await client.ConnectAsync(watched);
        using var server = await listener.AcceptTcpClientAsync();
        await client.GetStream().WriteAsync("to the server"u8.ToArray());
        await server.GetStream().WriteAsync("to the client"u8.ToArray());

        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (peek!.SentTo(watched).Length == 0 && DateTime.UtcNow < deadline)
        {
            await Task.Delay(10);
        }

        Assert.Equal("to the server"u8.ToArray(), peek.SentTo(watched));
        Assert.Empty(peek.SentTo((IPEndPoint)client.Client.LocalEndPoint!));
    }
}
