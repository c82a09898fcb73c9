using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Identity;
using Ambient.Node.Gateway;

namespace Ambient.Node.Tests.Gateway;

/// <summary>Headers of the PROXY protocol that come in pieces: read the same, and nothing of what follows is taken.</summary>
public sealed class ProxyHeaderReaderTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Headers => [.. s_headers.Keys];

    private static readonly Dictionary<string, byte[]> s_headers = new()
    {
        ["line of IPv4"] = "PROXY TCP4 203.0.113.7 127.0.0.1 40000 8080\r\n"u8.ToArray(),
        ["longest line"] = Encoding.ASCII.GetBytes($"PROXY UNKNOWN {new string('x', ProxyLine.MaxLength - 16)}\r\n"),
        ["line of IPv6"] = "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"u8.ToArray(),
        ["line that knows nothing"] = "PROXY UNKNOWN\r\n"u8.ToArray(),
        ["binary of IPv4"] = new ProxyHeader { Source = IPEndPoint.Parse("203.0.113.7:40000"), Destination = IPEndPoint.Parse("127.0.0.1:8080") }.ToArray(),
        ["binary of IPv6, with an identity"] = new ProxyHeader
        {
            Source = IPEndPoint.Parse("[2001:db8::1]:1"),
            Destination = IPEndPoint.Parse("[2001:db8::2]:2"),
            Identity = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep"),
        }.ToArray(),
        ["binary that speaks for itself"] = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0, 0, 0],
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Header_CutAnywhere_IsReadTheSame_AndNothingBehindItIsTaken(string name)
    {
        var header = s_headers[name];
        var (proxy, ours) = await PairAsync();
        using (proxy)
        using (ours)
        {
            for (var at = 0; at <= header.Length; at++)
            {
                await proxy.SendAsync(header.AsMemory(0, at));
                await UntilAsync(() => ours.Available == at);
                var reading = ProxyHeaderReader.ReadAsync(ours, CancellationToken.None).AsTask();
                await UntilAsync(() => ours.Available == 0);
                Assert.True(at == header.Length || !reading.IsCompleted);
                await proxy.SendAsync((byte[])[.. header[at..], .. "GET /"u8]);

                Assert.Equal(Expected(header), await reading.WaitAsync(s_patience));
                Assert.Equal("GET /", await ReadAsync(ours, 5));
                Assert.Equal(0, ours.Available);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Header_ByteByByte_IsReadTheSame(string name)
    {
        var header = s_headers[name];
        var (proxy, ours) = await PairAsync();
        using (proxy)
        using (ours)
        {
            proxy.NoDelay = true;
            var reading = ProxyHeaderReader.ReadAsync(ours, CancellationToken.None).AsTask();
            for (var i = 0; i < header.Length; i++)
            {
                Assert.False(reading.IsCompleted);
                await proxy.SendAsync(header.AsMemory(i, 1));
                await UntilAsync(() => ours.Available == 0);
            }

            Assert.Equal(Expected(header), await reading.WaitAsync(s_patience));
        }
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Header_ThatEndsBeforeItsEnd_IsNone(string name)
    {
        var header = s_headers[name];
        for (var at = 0; at < header.Length; at++)
        {
            var (proxy, ours) = await PairAsync();
            using (proxy)
            using (ours)
            {
                await proxy.SendAsync(header.AsMemory(0, at));
                proxy.Shutdown(SocketShutdown.Send);

                var reading = ProxyHeaderReader.ReadAsync(ours, CancellationToken.None).AsTask();
                var failure = await Assert.ThrowsAsync<InvalidDataException>(() => reading.WaitAsync(s_patience));
                Assert.Contains("ended before the header did", failure.Message, StringComparison.Ordinal);
            }
        }
    }

    private static ProxyHeader Expected(byte[] header) =>
        ProxyLine.IsBegun(header) ? ProxyLine.Read(header) : ProxyHeader.TryRead(header, out var read, out _) ? read! : throw new InvalidOperationException();

    private static async Task<string> ReadAsync(Socket socket, int count)
    {
        var bytes = new byte[count];
        for (var read = 0; read < count;)
        {
            read += await socket.ReceiveAsync(bytes.AsMemory(read)).AsTask().WaitAsync(s_patience);
        }

        return Encoding.ASCII.GetString(bytes);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var waited = Stopwatch.StartNew(); !condition(); await Task.Yield())
        {
            Assert.True(waited.Elapsed < s_patience, "it has not come to that");
        }
    }

    private static async Task<(Socket Proxy, Socket Ours)> PairAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var proxy = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await proxy.ConnectAsync(listener.LocalEndPoint!);
        return (proxy, await listener.AcceptAsync());
    }
}
