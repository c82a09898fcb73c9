using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Sockets;
using Ambient.Testing.Http2;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>
/// A tunnel costs its thread far more as it begins and ends than a frame does. A peer that opens or drops its tunnels by the hundred gets some of
/// them done in a turn, and whoever shares the thread waits for no more than these.
/// </summary>
public sealed class TunnelTurnTests
{
    // A turn of the read loop in frames: 512 KB at 256 bytes each.
    private const int Turn = 2048;
    private const int Tunnels = 100;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public void ManyConnectsInOneRead_AreAnsweredOverManyTurns() =>
        AssertTakesTurns(_ => [], Enumerable.Range(0, Tunnels).Select(Connect), server => server.Opened);

    [Fact]
    public void ManyResetsInOneRead_AreHandledOverManyTurns() =>
        AssertTakesTurns(
            Connects,
            Enumerable.Range(0, Tunnels).Select(Reset),
            server => server.Ended);

    [Fact]
    public void ManyEndsInOneRead_AreHandledOverManyTurns() =>
        AssertTakesTurns(
            server =>
            {
                server.EndsItself = true;
                return Connects(server);
            },
            Enumerable.Range(0, Tunnels).Select(i => RudePeer.Frame(FrameType.Data, FrameFlags.EndStream, (2 * i) + 1)),
            server => server.Ended);

    [Fact]
    public void StreamThatIsTakenBackBeforeItsAnswer_EndsTheTurn()
    {
        var server = new CountingServer { Answers = false };
        var reader = ReaderOf(server);
        Assert.Empty(Process(reader, [.. Http2Constants.ClientPreface, .. RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0)], int.MaxValue));

        var rest = Enumerable.Range(0, Tunnels).SelectMany(i => (byte[])[.. Connect(i), .. Reset(i)]).ToArray();
        for (var turns = 1; rest.Length > 0; turns++)
        {
            rest = Process(reader, rest, Turn);
            Assert.Equal((turns, turns), (server.Opened, server.Ended));
        }

        Assert.Equal(Tunnels, server.Ended);
    }

    [Fact]
    public void HeaderBlock_TakesOfATurnByItsBytes_ForEachMayBeAFieldOfTheTable()
    {
        var reader = ReaderOf(new CountingServer());
        Assert.Empty(Process(reader, [.. Http2Constants.ClientPreface, .. RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0)], int.MaxValue));
        byte[] block =
        [
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.None, 1, [.. Enumerable.Repeat((byte)0x82, 160)]),
            .. RudePeer.Frame(FrameType.Continuation, FrameFlags.None, 1, [.. Enumerable.Repeat((byte)0x82, 800)]),
        ];
        var frames = Turn;
        Assert.Equal(block.Length, reader.Process(block, ref frames));
        Assert.Equal(2 + (960 / 16), frames);
    }

    [Fact]
    public void TunnelsOfAConnectionThatIsOver_EndAFewInEachTurn()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        Run(async () =>
        {
            await using var harness = await ConnectionHarness.ServerAsync().ConfigureAwait(false);
            var streams = new List<Http2Stream>();
            for (var i = 0; i < 50; i++)
            {
                streams.Add(((StreamTunnel)await harness.AcceptAsync((2 * i) + 1).ConfigureAwait(false)).Stream);
            }

            // From here on in the turns of one loop, as a connection's read loop is.
            using var pair = new LoopPlace(HboneIo.Default.NextLoop());
            await pair.EnterAsync().ConfigureAwait(false);
            Assert.NotNull(EventLoop.Current);
            harness.Connection.EndFaulted(streams, _ => new StreamFault(StreamFaultOrigin.Connection, Http2ErrorCode.NoError));
            var told = streams.Count(stream => stream.Fault is not null);
            Assert.InRange(told, 1, 8);
            var turns = 0;
            for (var turn = new LoopTurn(); told < streams.Count; turns++)
            {
                await turn.NextAsync();
                var now = streams.Count(stream => stream.Fault is not null);
                Assert.InRange(now - told, 0, 8);
                told = now;
                Assert.True(turns < 1000, $"{told} of {streams.Count} have been told");
            }

            Assert.True(turns >= 5, $"only {turns} turns");
        });
    }

    [Fact]
    public async Task Completion_ComesAfterEveryUserKnows()
    {
        var harness = await ConnectionHarness.ServerAsync();
        var tunnels = new List<HboneTunnel>();
        for (var i = 0; i < 50; i++)
        {
            tunnels.Add(await harness.AcceptAsync((2 * i) + 1));
        }

        await harness.Peer.CloseAsync();
        await harness.Connection.Completion.WaitAsync(s_patience);
        Assert.All(tunnels, tunnel => Assert.NotNull(((StreamTunnel)tunnel).Stream.Fault));
    }

    private static void Run(Func<Task> test) => Task.Run(test).WaitAsync(s_patience).GetAwaiter().GetResult();

    private static void AssertTakesTurns(Func<CountingServer, IEnumerable<byte[]>> before, IEnumerable<byte[]> frames, Func<CountingServer, int> count)
    {
        var server = new CountingServer();
        var reader = ReaderOf(server);
        var input = new List<byte>(Http2Constants.ClientPreface.ToArray());
        input.AddRange(RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0));
        input.AddRange(before(server).SelectMany(frame => frame));
        var rest = Process(reader, input.ToArray(), int.MaxValue);
        Assert.Empty(rest);
        var done = count(server);

        rest = frames.SelectMany(frame => frame).ToArray();
        var turns = 0;
        while (rest.Length > 0)
        {
            rest = Process(reader, rest, Turn);
            turns++;
            Assert.InRange(count(server) - done, 1, 8);
            done = count(server);
        }

        Assert.Equal(Tunnels, done);
        Assert.True(turns >= Tunnels / 8, $"only {turns} turns");
    }

    private static byte[] Process(FrameReader reader, byte[] input, int frames) => input[reader.Process(input, ref frames)..];

    private static IEnumerable<byte[]> Connects(CountingServer server) => Enumerable.Range(0, Tunnels).Select(Connect);

    private static byte[] Reset(int i) => RudePeer.Frame(FrameType.RstStream, FrameFlags.None, (2 * i) + 1, RudePeer.Number((uint)Http2ErrorCode.Cancel));

    private static byte[] Connect(int i)
    {
        // Never indexed: one block is good for any stream.
        byte[] block = [.. Literal(":method", "CONNECT"), .. Literal(":authority", "10.0.0.1:80")];
        return RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, (2 * i) + 1, block);
    }

    private static IEnumerable<byte> Literal(string name, string value) =>
        [0x10, (byte)name.Length, .. System.Text.Encoding.ASCII.GetBytes(name), (byte)value.Length, .. System.Text.Encoding.ASCII.GetBytes(value)];

    private static FrameReader ReaderOf(CountingServer server)
    {
        var (ours, _) = MemoryDuplexStream.Create();
        var options = new Http2ConnectionOptions();
        var time = new FakeTimeProvider();
        var guard = new Http2AbuseGuard(options.AbuseLimits, time, 1000);
        var connection = new Http2Connection(new StreamTransport(ours), options, server, time) { StreamEnded = _ => server.Ended++ };
        var blocks = new HeaderBlockAssembler(guard);
        var handler = new FrameHandler(connection, isServer: true, new TunnelStreams(server, new ConnectHeaderReader(new HPackDecoder(), 1000)), options, blocks, guard);
        return new FrameReader(handler, blocks, options, isServer: true);
    }

    private sealed class CountingServer : IHttp2Server
    {
        public int Opened { get; private set; }

        public int Ended { get; set; }

        public bool EndsItself { get; set; }

        public bool Answers { get; init; } = true;

        public void OnConnect(Http2Stream stream, in ConnectRequestHeaders headers)
        {
            Opened++;
            if (!Answers)
            {
                return;
            }

            stream.Connection.Respond(stream, 200, null);
            if (EndsItself)
            {
                stream.EndWrite();
            }
        }
    }
}
