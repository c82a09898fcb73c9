using System.Net.Sockets;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Tests.Http2.Connections;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>
/// The frames of ends and aborts (docs/protocol.md, "Ends and aborts"). Istio's ztunnel reports RST_STREAM with CANCEL or STREAM_CLOSED
/// as an error of the connection while its own half is open, and NO_ERROR as none.
/// </summary>
public sealed class AbortFramesTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ApplicationAborts_PeerSeesAnEndAndNoError(bool server)
    {
        await using var side = await Side.StartAsync(server);
        await side.App.SendAsync("half a request"u8.ToArray());
        await side.Harness.Peer.ExpectDataAsync(1, 14);
        side.App.LingerState = new LingerOption(true, 0);
        side.App.Dispose();
        var frames = await side.FramesToTheResetAsync();
        Assert.Equal([(FrameType.Data, true), (FrameType.RstStream, false)], frames.Select(frame => (frame.Type, frame.EndStream)));
        Assert.Equal(Http2ErrorCode.NoError, frames[^1].Code);
        Assert.Equal(RelayEnd.Complete, (await side.Relay.WaitAsync(HbonePair.Patience)).End);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ApplicationEndsThenAborts_PeerSeesAnEndAndNoError(bool server)
    {
        await using var side = await Side.StartAsync(server);
        side.App.Shutdown(SocketShutdown.Send);
        Assert.True((await side.Harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
        side.App.LingerState = new LingerOption(true, 0);
        side.App.Dispose();

        // What it does not take any more tells us that it is gone.
        for (var i = 0; i < 10 && !side.Relay.IsCompleted; i++)
        {
            await side.Harness.Peer.SendDataAsync(1, new byte[1000]);
            await Task.Delay(20);
        }

        var frames = await side.FramesToTheResetAsync();
        Assert.Equal(Http2ErrorCode.NoError, Assert.Single(frames, frame => frame.Type == FrameType.RstStream).Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BothEndInOrder_NothingIsReset(bool server)
    {
        await using var side = await Side.StartAsync(server);
        await side.Harness.Peer.SendDataAsync(1, "bye"u8.ToArray(), endStream: true);
        side.App.Shutdown(SocketShutdown.Send);
        Assert.True((await side.Harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
        await side.Relay.WaitAsync(HbonePair.Patience);
        Assert.DoesNotContain(await side.Harness.Peer.SettleAsync(), frame => frame.Type == FrameType.RstStream);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RelayIsAborted_PeerSeesAFailure(bool server)
    {
        // A connection that policy cuts off must not look complete.
        await using var side = await Side.StartAsync(server);
        await side.Abort.CancelAsync();
        await side.Harness.Peer.ExpectResetAsync(1, Http2ErrorCode.InternalError);
    }

    [Theory]
    [InlineData((uint)Http2ErrorCode.NoError)]
    [InlineData((uint)Http2ErrorCode.Cancel)]
    public async Task PeerLosesInterest_ApplicationSeesAnEnd(uint code)
    {
        await using var side = await Side.StartAsync(server: true);
        await side.Harness.Peer.SendDataAsync(1, "bye"u8.ToArray());
        await side.Harness.Peer.SendResetAsync(1, (Http2ErrorCode)code);
        var buffer = new byte[10];
        Assert.Equal(3, await side.App.ReceiveAsync(buffer).WaitAsync(HbonePair.Patience));
        Assert.Equal(0, await side.App.ReceiveAsync(buffer).WaitAsync(HbonePair.Patience));
        Assert.Equal(RelayEnd.Complete, (await side.Relay.WaitAsync(HbonePair.Patience)).End);
    }

    /// <summary>One end of a tunnel with an application behind it, and a scripted peer at the other end.</summary>
    private sealed class Side : IAsyncDisposable
    {
        private readonly TcpPeer _listener = TcpPeer.Listen();
        private Socket _near = null!;

        public ConnectionHarness Harness { get; private set; } = null!;

        public Socket App { get; private set; } = null!;

        public Task<RelayOutcome> Relay { get; private set; } = null!;

        public CancellationTokenSource Abort { get; } = new();

        public static async Task<Side> StartAsync(bool server)
        {
            var side = new Side();
            side.App = await TcpPeer.ConnectAsync(side._listener.EndPoint);
            side._near = await side._listener.AcceptAsync();
            side.Harness = server ? await ConnectionHarness.ServerAsync() : await ConnectionHarness.ClientAsync();
            var tunnel = server ? await side.Harness.AcceptAsync(1) : await side.Harness.OpenAsync(1);
            side.Relay = server
                ? Ambient.Hbone.Relaying.Relay.RunAsync(tunnel, side._near, new RelayCounters(), side.Abort.Token).AsTask()
                : Ambient.Hbone.Relaying.Relay.RunAsync(side._near, tunnel, new RelayCounters(), side.Abort.Token).AsTask();
            return side;
        }

        /// <summary>What comes for the stream, up to RST_STREAM.</summary>
        public async Task<List<ReceivedFrame>> FramesToTheResetAsync()
        {
            var frames = new List<ReceivedFrame>();
            do
            {
                frames.Add(await Harness.Peer.ExpectAsync(frame => frame is { StreamId: 1, Type: not FrameType.WindowUpdate }, "RST_STREAM"));
            }
            while (frames[^1].Type != FrameType.RstStream);
            return frames;
        }

        public async ValueTask DisposeAsync()
        {
            App.Dispose();
            _near.Dispose();
            _listener.Dispose();
            await Harness.DisposeAsync();
            Abort.Dispose();
        }
    }
}
