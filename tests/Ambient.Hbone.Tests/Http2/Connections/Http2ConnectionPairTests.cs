using System.IO.Pipelines;
using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;
using Ambient.Identity;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Two of our connections talking, with many tunnels at once over windows and transports that fit nothing.</summary>
public sealed class Http2ConnectionPairTests
{
    private static readonly PeerInfo s_peer = new(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/peer"), new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Loopback, 2));

    [Theory]
    [InlineData(1, 65535, 70_000, 0)]
    [InlineData(2, 1, 65_535, 3000)] // windows of one byte
    [InlineData(3, 1000, 65_535, 500)]
    [InlineData(4, 5000, 100_000, 7)]
    [InlineData(5, 4 * 1024 * 1024, 16 * 1024 * 1024, 0)]
    [InlineData(6, 100_000, 65_535, 20_000)] // the connection's window is the narrow one
    public async Task Tunnels_RandomBytesBothWays_ArriveWhole(int seed, int streamWindow, int connectionWindow, int longestPiece)
    {
        var options = new Http2ConnectionOptions { StreamWindowSize = streamWindow, ConnectionWindowSize = connectionWindow, MaxFrameSize = 16384 };
        var (left, right) = MemoryDuplexStream.Create(64 * 1024);
        await using var client = new Http2Connection(Transport(left, seed, longestPiece), options, null, TimeProvider.System);
        await using var server = new Http2Connection(Transport(right, seed + 100, longestPiece), options, new Echo(), TimeProvider.System);
        client.Start();
        server.Start();
        await client.SettingsReceived.WaitAsync(ConnectionHarness.Patience);
        var longest = streamWindow == 1 ? 400 : 60_000;
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ExchangeAsync(client, new Random((seed * 1000) + i), longest)));
        Assert.Equal(0, client.OpenStreams);
        await WaitUntilAsync(() => server.OpenStreams == 0);
        Assert.Null(client.Error);

        // Whatever was read, left unread or reset: all credit is back, so that a tunnel can still fill the connection's window.
        await ExchangeAsync(client, new Random(seed), Math.Min(connectionWindow, longest * 10), aborts: false);
    }

    private static async Task ExchangeAsync(Http2Connection client, Random random, int longest, bool aborts = true)
    {
        var sent = new SentConnect(static _ => { }, "");
        var stream = client.Open(new ConnectRequestHeaders { Authority = "10.0.0.1:80", Baggage = new string('b', random.Next(100)) }, sent);
        await using var tunnel = new StreamTunnel(stream, s_peer, "10.0.0.1:80", null);
        Assert.Equal(200, (await sent.Answer.WaitAsync(ConnectionHarness.Patience)).Status);
        var bytes = new byte[random.Next(longest)];
        random.NextBytes(bytes);
        var abortAt = aborts && random.Next(4) == 0 ? random.Next(bytes.Length + 1) : int.MaxValue;
        var reading = tunnel.Input.ReadAllAsync();
        for (var at = 0; at < bytes.Length;)
        {
            if (at >= abortAt)
            {
                tunnel.Abort();
                await Assert.ThrowsAnyAsync<IOException>(() => reading);
                return;
            }

            var piece = Math.Min(bytes.Length - at, random.Next(1, random.Next(2) == 0 ? 100 : 10_000));
            await tunnel.WriteAsync(bytes.AsMemory(at, piece));
            at += piece;
        }

        await tunnel.Output.CompleteAsync();
        Assert.Equal(bytes, await reading);
        await tunnel.WaitUntilClosedAsync();
    }

    private static async Task WaitUntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(ConnectionHarness.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }

    private static StreamTransport Transport(Stream stream, int seed, int longestPiece) =>
        new(longestPiece == 0 ? stream : DribblingStream.RandomPieces(stream, seed, longestPiece));

    private sealed class Echo : IHttp2Server
    {
        public void OnConnect(Http2Stream stream, in ConnectRequestHeaders headers) => _ = EchoAsync(new ReceivedConnect(stream, s_peer, headers));

        private static async Task EchoAsync(ReceivedConnect connect)
        {
            await Task.Yield();
            try
            {
                await using var tunnel = connect.Accept();
                await tunnel.Input.CopyToAsync(tunnel.Output);
                await tunnel.Output.CompleteAsync();
            }
            catch (IOException)
            {
                // The other side aborted.
            }
        }
    }
}

/// <summary>Reads pipes.</summary>
internal static class PipeReaderExtensions
{
    public static async Task<byte[]> ReadAllAsync(this PipeReader reader)
    {
        var all = new MemoryStream();
        await reader.CopyToAsync(all).WaitAsync(ConnectionHarness.Patience);
        return all.ToArray();
    }
}
