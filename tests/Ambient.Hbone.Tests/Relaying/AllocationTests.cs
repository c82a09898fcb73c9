using System.Net.Sockets;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Alone in its collection: it counts what the whole process allocates.</summary>
[Collection(nameof(AllocationTests))]
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public sealed class AllocationTests
{
    [Fact]
    public async Task Relay_InSteadyState_AllocatesNextToNothingForEachRequest()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = TcpPeer.Connect(proxies.EndPoint);
        using var server = app.Accept();
        Exchange(client, server, 2000);

        // The quietest of a few rounds: what else lives in the process makes some noise, which a frame that allocates would not be, for it does so in each.
        const int requests = 5000;
        var least = double.MaxValue;
        for (var round = 0; round < 5 && least > 24; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Exchange(client, server, requests);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)requests);
        }

        // Four hops through two proxies: a frame that allocated would cost at least 24 bytes on each of them.
        Assert.InRange(least, 0, 24);
    }

    [Fact]
    public async Task Relay_InBulk_AllocatesNextToNothingForEachMegabyte()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = TcpPeer.Connect(proxies.EndPoint);
        using var server = app.Accept();
        await Transfer(client, server, 200);

        // The quietest of a few rounds: how many buffers are under way at a time depends on the machine, and the first time each of them is made.
        const int megabytes = 200;
        var least = double.MaxValue;
        for (var round = 0; round < 5 && least > 20_000; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await Transfer(client, server, megabytes);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)megabytes);
        }

        Assert.InRange(least, 0, 20_000);
    }

    private static void Exchange(Socket client, Socket server, int count)
    {
        Span<byte> request = stackalloc byte[100];
        Span<byte> response = stackalloc byte[1000];
        for (var i = 0; i < count; i++)
        {
            client.Send(request);
            Receive(server, request);
            server.Send(response);
            Receive(client, response);
        }
    }

    private static Task Transfer(Socket from, Socket to, int megabytes)
    {
        var sending = Task.Factory.StartNew(
            () =>
            {
                var buffer = new byte[1_000_000];
                for (var i = 0; i < megabytes; i++)
                {
                    for (var sent = 0; sent < buffer.Length;)
                    {
                        sent += from.Send(buffer.AsSpan(sent));
                    }
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        var received = 0L;
        var into = new byte[1_000_000];
        while (received < megabytes * 1_000_000L)
        {
            received += to.Receive(into);
        }

        return sending;
    }

    private static void Receive(Socket socket, Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            into = into[socket.Receive(into)..];
        }
    }
}
