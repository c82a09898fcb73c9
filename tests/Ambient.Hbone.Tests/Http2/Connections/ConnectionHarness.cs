using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Identity;
using Ambient.Testing.Http2;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Our connection at one end of an in-memory pair, a <see cref="RudePeer"/> at the other, and a clock that stands still.</summary>
internal sealed class ConnectionHarness : IHttp2Server, IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly PeerInfo s_peer = new(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/peer"), new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Loopback, 2));
    private readonly Channel<ReceivedConnect> _connects = Channel.CreateUnbounded<ReceivedConnect>();

    private ConnectionHarness(bool isServer, Http2ConnectionOptions? options, Func<Stream, Stream>? wrap, long capacity)
    {
        var (ours, theirs) = MemoryDuplexStream.Create(capacity);
        Wire = theirs;
        Peer = new RudePeer(theirs, isClient: isServer);
        Connection = new Http2Connection(new StreamTransport(wrap?.Invoke(ours) ?? ours), options ?? new Http2ConnectionOptions(), isServer ? this : null, Time);
    }

    public FakeTimeProvider Time { get; } = new();

    public MemoryDuplexStream Wire { get; }

    public RudePeer Peer { get; }

    public Http2Connection Connection { get; }

    /// <summary>Our side is a server and runs; nothing has been said yet.</summary>
    public static ConnectionHarness StartServer(Http2ConnectionOptions? options = null, Func<Stream, Stream>? wrap = null, long capacity = 0)
    {
        var harness = new ConnectionHarness(true, options, wrap, capacity);
        harness.Connection.Start();
        return harness;
    }

    /// <summary>Our side is a client and runs; nothing has been said yet.</summary>
    public static ConnectionHarness StartClient(Http2ConnectionOptions? options = null, Func<Stream, Stream>? wrap = null, long capacity = 0)
    {
        var harness = new ConnectionHarness(false, options ?? new Http2ConnectionOptions { MaxHeaderListSize = 16384, MaxConcurrentStreams = 100 }, wrap, capacity);
        harness.Connection.Start();
        return harness;
    }

    public static async Task<ConnectionHarness> ServerAsync(Http2ConnectionOptions? options = null, params (SettingId, uint)[] settings)
    {
        var harness = StartServer(options);
        await harness.Peer.HandshakeAsync(settings);
        return harness;
    }

    public static async Task<ConnectionHarness> ClientAsync(Http2ConnectionOptions? options = null, params (SettingId, uint)[] settings)
    {
        var harness = StartClient(options);
        await harness.Peer.HandshakeAsync(settings);
        await harness.Connection.SettingsReceived.WaitAsync(Patience);
        return harness;
    }

    /// <summary>The next CONNECT that our server was asked.</summary>
    public Task<ReceivedConnect> NextConnectAsync() => _connects.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    /// <summary>Whether our server was asked anything more.</summary>
    public bool HasConnect => _connects.Reader.TryPeek(out _);

    /// <summary>Our server: the peer opens a stream and gets its 200.</summary>
    public async Task<HboneTunnel> AcceptAsync(int streamId)
    {
        await Peer.SendConnectAsync(streamId);
        var tunnel = (await NextConnectAsync()).Accept();
        Assert.Equal("200", (await Peer.ExpectHeadersAsync(streamId)).Headers[0].Value);
        return tunnel;
    }

    /// <summary>Our client: a CONNECT is sent; the answer is still to come.</summary>
    public (HboneTunnel Tunnel, SentConnect Sent) Open(string authority = "10.0.0.1:80")
    {
        var sent = new SentConnect(static _ => { }, "");
        var stream = Connection.Open(new ConnectRequestHeaders { Authority = authority }, sent);
        return (new StreamTunnel(stream, s_peer, authority, null), sent);
    }

    /// <summary>Our client: a stream that the peer has answered with 200.</summary>
    public async Task<HboneTunnel> OpenAsync(int streamId)
    {
        var (tunnel, sent) = Open();
        Assert.Equal((":method", "CONNECT"), (await Peer.ExpectHeadersAsync(streamId)).Headers[0]);
        await Peer.SendHeadersAsync(streamId, false, (":status", "200"));
        Assert.Equal(200, (await sent.Answer.WaitAsync(Patience)).Status);
        return tunnel;
    }

    void IHttp2Server.OnConnect(Http2Stream stream, in ConnectRequestHeaders headers) => _connects.Writer.TryWrite(new ReceivedConnect(stream, s_peer, headers));

    public async ValueTask DisposeAsync()
    {
        Connection.Abort(null);
        await Connection.Completion.WaitAsync(Patience);
        await Peer.DisposeAsync();
    }
}

/// <summary>Short forms for tests that read and write tunnels.</summary>
internal static class TunnelExtensions
{
    public static async Task WriteAsync(this HboneTunnel tunnel, ReadOnlyMemory<byte> bytes) => await tunnel.Output.WriteAsync(bytes).AsTask().WaitAsync(ConnectionHarness.Patience);

    /// <summary>Exactly so many bytes.</summary>
    public static async Task<byte[]> ReadAsync(this HboneTunnel tunnel, int count)
    {
        var result = await tunnel.Input.ReadAtLeastAsync(count).AsTask().WaitAsync(ConnectionHarness.Patience);
        var bytes = result.Buffer.Slice(0, Math.Min(count, result.Buffer.Length)).ToArray();
        tunnel.Input.AdvanceTo(result.Buffer.GetPosition(bytes.Length));
        Assert.Equal(count, bytes.Length);
        return bytes;
    }

    /// <summary>All there is until the peer half-closes.</summary>
    public static async Task<byte[]> ReadToEndAsync(this HboneTunnel tunnel)
    {
        var all = new MemoryStream();
        await tunnel.Input.CopyToAsync(all).WaitAsync(ConnectionHarness.Patience);
        return all.ToArray();
    }

    public static async Task WaitUntilClosedAsync(this HboneTunnel tunnel)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = tunnel.Closed.Register(closed.SetResult);
        await closed.Task.WaitAsync(ConnectionHarness.Patience);
    }
}
