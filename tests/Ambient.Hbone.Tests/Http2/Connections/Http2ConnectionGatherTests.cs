using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Sockets;
using Ambient.Testing.Http2;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Many small frames: each read's are handed on together, and no connection handles more than its share in one turn.</summary>
public class Http2ConnectionGatherTests
{
    [Fact]
    public async Task TinyFramesOfOneStream_ArriveAsOnePiece()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var sink = Attach(await harness.AcceptAsync(1));
        var bytes = RandomBytes(1000);
        await harness.Peer.SendRawAsync(bytes.SelectMany(b => RudePeer.Frame(FrameType.Data, FrameFlags.None, 1, b)).ToArray());
        await harness.Peer.SettleAsync();
        Assert.Equal(bytes, sink.Bytes);
        Assert.InRange(sink.Pieces, 1, 3);
    }

    [Fact]
    public async Task FramesOfTheUsualSize_OfOneRead_ArriveAsOnePiece()
    {
        const int frame = Http2Constants.MinMaxFrameSize;
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        var sink = Attach(tunnel);
        var data = RandomBytes(3 * frame);
        var read = data.Chunk(frame).SelectMany(piece => RudePeer.Frame(FrameType.Data, FrameFlags.None, 1, piece)).ToArray();

        var gatherer = new DataGatherer();
        for (var start = FrameHeader.Size; start < read.Length; start += frame + FrameHeader.Size)
        {
            gatherer.Add(read, ((StreamTunnel)tunnel).Stream, start, frame);
        }

        gatherer.Flush(read);
        Assert.Equal(data, sink.Bytes);
        Assert.Equal(1, sink.Pieces);
    }

    [Fact]
    public async Task TinyFramesOfManyStreamsInTurns_ArriveInFewPieces()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var sinks = new Dictionary<int, CountingSink>();
        for (var id = 1; id < 40; id += 2)
        {
            sinks[id] = Attach(await harness.AcceptAsync(id));
        }

        var wire = new List<byte>();
        for (var i = 0; i < 50; i++)
        {
            foreach (var id in sinks.Keys)
            {
                wire.AddRange(RudePeer.Frame(FrameType.Data, FrameFlags.None, id, (byte)i, (byte)id));
            }
        }

        await harness.Peer.SendRawAsync(wire.ToArray());
        await harness.Peer.SettleAsync();
        foreach (var (id, sink) in sinks)
        {
            Assert.Equal(Enumerable.Range(0, 50).SelectMany(i => new[] { (byte)i, (byte)id }), sink.Bytes);

            // One at once, one as the turn ends; the bytes may come in a few reads.
            Assert.InRange(sink.Pieces, 1, 6);
        }
    }

    [Fact]
    public async Task FramesOfAllSizesInAnyOrder_ArriveWholeAndInOrder()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var random = new Random(4711);
        var sinks = Enumerable.Range(0, 6).Select(i => (1 + (2 * i), new List<byte>())).ToDictionary(s => s.Item1, s => s.Item2);
        var attached = new Dictionary<int, CountingSink>();
        foreach (var id in sinks.Keys)
        {
            attached[id] = Attach(await harness.AcceptAsync(id));
        }

        for (var round = 0; round < 40; round++)
        {
            var wire = new List<byte>();
            for (var i = 0; i < 60; i++)
            {
                var id = 1 + (2 * random.Next(6));
                var data = RandomBytes(random.Next(10) == 0 ? random.Next(1, 6000) : random.Next(1, 300), random);
                sinks[id].AddRange(data);
                var padding = random.Next(4) == 0 ? random.Next(1, 20) : 0;
                wire.AddRange(padding == 0
                    ? RudePeer.Frame(FrameType.Data, FrameFlags.None, id, data)
                    : RudePeer.Frame(FrameType.Data, FrameFlags.Padded, id, [(byte)padding, .. data, .. new byte[padding]]));
                if (random.Next(5) == 0)
                {
                    wire.AddRange(RudePeer.Frame(FrameType.WindowUpdate, FrameFlags.None, id, RudePeer.Number(1000)));
                }
            }

            await harness.Peer.SendRawAsync(wire.ToArray());
        }

        foreach (var id in sinks.Keys)
        {
            sinks[id].Add(7);
            await harness.Peer.SendDataAsync(id, new byte[] { 7 }, endStream: true);
        }

        await harness.Peer.SettleAsync();
        foreach (var id in sinks.Keys)
        {
            Assert.Equal(sinks[id], attached[id].Bytes);
            Assert.True(attached[id].Ended);
        }
    }

    [Fact]
    public async Task SmallWritesInOneTurn_LeaveInOneFrame()
    {
        // Written while the loop waits for a transport that takes nothing, as an application does that sends byte by byte: the peer is spared what we spare ourselves.
        await using var harness = ConnectionHarness.StartServer(capacity: 8);
        await harness.Peer.HandshakeAsync();
        var tunnel = (StreamTunnel)await harness.AcceptAsync(1);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(tunnel.Stream.TryWrite([(byte)i]));
        }

        var received = new List<byte>();
        var frames = 0;
        while (received.Count < 100)
        {
            received.AddRange((await harness.Peer.ExpectAsync(FrameType.Data, 1)).Payload);
            frames++;
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => (byte)i), received);
        Assert.InRange(frames, 1, 3);
        Assert.Equal(frames, harness.Connection.Sender.Queue.FramesSent);
    }

    [Fact]
    public async Task FrameReader_HandlesNoMoreFramesThanItIsTold()
    {
        // What the read loop relies on to give way: a buffer of 128 KB has room for 13,000 frames.
        var (ours, _) = MemoryDuplexStream.Create();
        await using var transport = new StreamTransport(ours);
        var options = new Http2ConnectionOptions();
        var guard = new Http2AbuseGuard(options.AbuseLimits, new FakeTimeProvider(), 1000);
        var server = new NobodyServer();
        var connection = new Http2Connection(transport, options, server, new FakeTimeProvider());
        var blocks = new HeaderBlockAssembler(guard);
        var handler = new FrameHandler(connection, server is not null, new TunnelStreams(server, new ConnectHeaderReader(new HPackDecoder(), 1000)), options, blocks, guard);
        var reader = new FrameReader(handler, blocks, options, isServer: true);
        var input = new List<byte>(Http2Constants.ClientPreface.ToArray());
        input.AddRange(RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0));
        for (var i = 0; i < 300; i++)
        {
            input.AddRange(RudePeer.Frame(FrameType.Ping, FrameFlags.None, 0, new byte[8]));
        }

        var buffer = input.ToArray();
        var frames = 100;
        var consumed = reader.Process(buffer, ref frames);
        Assert.Equal(100, frames);
        Assert.Equal(Http2Constants.ClientPreface.Length + 9 + (99 * 17), consumed);
        frames = 1000;
        consumed += reader.Process(buffer.AsSpan(consumed), ref frames);
        Assert.Equal(201, frames);
        Assert.Equal(buffer.Length, consumed);
    }

    private static CountingSink Attach(HboneTunnel tunnel)
    {
        var stream = ((StreamTunnel)tunnel).Stream;
        var sink = new CountingSink(stream);
        stream.Attach(sink);
        return sink;
    }

    private static byte[] RandomBytes(int count, Random? random = null)
    {
        var bytes = new byte[count];
        (random ?? new Random(count)).NextBytes(bytes);
        return bytes;
    }

    private sealed class CountingSink(Http2Stream stream) : IStreamSink
    {
        public List<byte> Bytes { get; } = [];

        public int Pieces { get; private set; }

        public bool Ended { get; private set; }

        public void Begin(ChunkQueue? early, bool ended) => Assert.Null(early);

        public void OnData(ReadOnlySpan<byte> data)
        {
            Assert.False(Ended);
            Bytes.AddRange(data);
            Pieces++;
            stream.Consumed(data.Length);
        }

        public void OnEnd() => Ended = true;

        public void OnFault(StreamFault fault)
        {
        }
    }

    private sealed class NobodyServer : IHttp2Server
    {
        public void OnConnect(Http2Stream stream, in ConnectRequestHeaders headers) => throw new InvalidOperationException();
    }
}
