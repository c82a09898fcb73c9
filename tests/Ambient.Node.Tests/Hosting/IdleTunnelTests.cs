using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Xunit.Abstractions;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Alone in its collection: it counts what the whole process holds.</summary>
[Collection(nameof(IdleTunnelTests))]
[CollectionDefinition(nameof(IdleTunnelTests), DisableParallelization = true)]
public sealed class IdleTunnelTests(ITestOutputHelper output)
{
    /// <summary>
    /// A node holds thousands of connections that say nothing for hours. What both ztunnels keep of one, in objects, with the sockets of the test's
    /// own client and application, which are about 500 bytes of it.
    /// </summary>
    [Fact]
    public async Task IdleConnection_ThroughTwoZtunnels_HoldsLittle()
    {
        const int connections = 700;
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: true);
        using var app = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        app.Bind(new IPEndPoint(mesh.AddressOf("server"), 8080));
        app.Listen(connections);
        var open = new List<Socket>(8 * connections);

        // What the first ones bring to life stays, and is no cost of a connection.
        await OpenAsync(100);

        // What tests before this one have left may go, by megabytes, between two looks: that is seen, and looked at again.
        var each = 0.0;
        for (var round = 0; round < 3 && each is < 1000 or > MostBytes; round++)
        {
            var before = await HeldAsync();
            await OpenAsync(connections);
            each = (await HeldAsync() - before) / (double)connections;
            output.WriteLine($"{each:0} bytes");
        }

        open.ForEach(socket => socket.Dispose());
        Assert.InRange(each, 1000, MostBytes);

        async Task OpenAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                open.Add(await mesh.ConnectAsync("client", $"server.{mesh.Namespace}", 80));
                open.Add(await app.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30)));
            }
        }
    }

    private const int MostBytes = 10_500;

    private static async Task<long> HeldAsync()
    {
        // What ended a moment ago may still be on its way out, and buffers that are kept for a next connection are no cost of one: until it falls no more.
        var least = long.MaxValue;
        for (var (same, looks) = (0, 0); same < 8 && looks < 200; looks++)
        {
            await Task.Delay(100);
            HboneBuffers.Trim();
            var held = GC.GetTotalMemory(forceFullCollection: true);
            same = held < least - (32 * 1024) ? 0 : same + 1;
            least = Math.Min(least, held);
        }

        return least;
    }
}
