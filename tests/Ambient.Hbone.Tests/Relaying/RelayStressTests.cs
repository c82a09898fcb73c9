using System.Net.Sockets;
using Ambient.Hbone.Relaying;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>
/// Many tunnels on few connections, with every byte checked against where it belongs: a buffer that went back to the
/// pool too early would show as another tunnel's bytes.
/// </summary>
public sealed class RelayStressTests
{
    [Theory]
    [InlineData(4 * 1024 * 1024, 24)]
    [InlineData(64 * 1024, 24)]
    public async Task ManyTunnels_WithAbortsAmongThem_NeverMixTheirBytes(int window, int tunnels)
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint, pair =>
        {
            pair.ServerOptions.StreamWindowSize = window;
            pair.ClientOptions.StreamWindowSize = window;
            pair.ClientOptions.MaxStreamsPerConnection = 16;
        });
        var serving = ServeAsync(app, tunnels);

        await Task.WhenAll(Enumerable.Range(0, tunnels).Select(i => Task.Run(() => TalkAsync(proxies, (byte)(i + 1), abort: i % 4 == 3)))).WaitAsync(HbonePair.Patience * 3);
        await serving.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    [Trait("Reference", "copystress")]
    public async Task OneTunnel_AThousandPieces_AreByteExact()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();
        var sent = new byte[1000 * 32 * 1024];
        Random.Shared.NextBytes(sent);

        var results = await Task.WhenAll(TcpPeer.SendAndEndAsync(client, sent), TcpPeer.ReadAllAsync(server)).WaitAsync(HbonePair.Patience * 2);

        Assert.True(results[1].AsSpan().SequenceEqual(sent));
    }

    // The client says its number and how it begins; both then fill with that number, the server with its complement.
    private static async Task TalkAsync(ProxyPair proxies, byte number, bool abort)
    {
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        var random = new Random(number);
        var total = random.Next(1, 6_000_000);
        var sending = SendAsync(client, number, total, random.Next());
        if (abort)
        {
            await Task.Delay(random.Next(1, 60));
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
            await sending;
            return;
        }

        var received = await CheckAsync(client, (byte)~number);
        await sending;
        Assert.Equal(ServerBytes(number), received);
    }

    private static async Task ServeAsync(TcpPeer app, int tunnels)
    {
        var serving = new List<Task>();
        for (var i = 0; i < tunnels; i++)
        {
            var server = await app.AcceptAsync();
            serving.Add(Task.Run(async () =>
            {
                using (server)
                {
                    var first = new byte[1];
                    if (await ReceiveAsync(server, first) == 0)
                    {
                        return;
                    }

                    var sending = SendAsync(server, (byte)~first[0], ServerBytes(first[0]), first[0]);
                    await CheckAsync(server, first[0]);
                    await sending;
                }
            }));
        }

        await Task.WhenAll(serving);
    }

    private static int ServerBytes(byte number) => new Random(1000 + number).Next(1, 5_000_000);

    private static async Task SendAsync(Socket socket, byte fill, int total, int seed)
    {
        var random = new Random(seed);
        var buffer = new byte[200_000];
        Array.Fill(buffer, fill);
        try
        {
            while (total > 0)
            {
                total -= await socket.SendAsync(buffer.AsMemory(0, Math.Min(total, random.Next(1, buffer.Length))));
            }

            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private static async Task<int> CheckAsync(Socket socket, byte expected)
    {
        var buffer = new byte[150_000];
        var total = 0;
        int count;
        while ((count = await ReceiveAsync(socket, buffer)) > 0)
        {
            total += count;
            Assert.Equal(-1, buffer.AsSpan(0, count).IndexOfAnyExcept(expected));
        }

        return total;
    }

    private static async Task<int> ReceiveAsync(Socket socket, Memory<byte> buffer)
    {
        try
        {
            return await socket.ReceiveAsync(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }
}
