using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Fuzzing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>The same conversations when the transport cuts them anywhere, and two of our own connections talking.</summary>
public class Http2ConnectionDribbleTests
{
    public static TheoryData<int> Pieces => new() { 1, 2, 3, 7, 10, 100 };

    [Theory]
    [MemberData(nameof(Pieces))]
    public async Task Server_TransportInPieces_ServesAsEver(int longest)
    {
        await using var harness = ConnectionHarness.StartServer(wrap: stream => Dribble(stream, longest));
        await harness.Peer.HandshakeAsync();
        await ConversationAsync(harness);
    }

    [Theory]
    [MemberData(nameof(Pieces))]
    public async Task Client_TransportInPieces_WorksAsEver(int longest)
    {
        await using var harness = ConnectionHarness.StartClient(wrap: stream => Dribble(stream, longest));
        await harness.Peer.HandshakeAsync();
        var tunnel = await harness.OpenAsync(1);
        await ExchangeAsync(harness.Peer, tunnel, 1);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public async Task Server_RandomGarbageAfterTheHandshake_EndsInOrderEveryTime()
    {
        await FuzzBudget.RunAsync(200, async random =>
        {
            await using var harness = await ConnectionHarness.ServerAsync();
            var garbage = new byte[random.Next(1, 400)];
            random.NextBytes(garbage);
            if (random.Next(2) == 0)
            {
                // Short frames of known types, so that more than the length is looked at.
                for (var i = 0; i + 9 < garbage.Length; i += 9 + garbage[i + 2])
                {
                    garbage[i] = garbage[i + 1] = 0;
                    garbage[i + 2] %= 20;
                    garbage[i + 3] %= 10;
                    garbage[i + 5] = garbage[i + 6] = garbage[i + 7] = 0;
                    garbage[i + 8] %= 6;
                }
            }

            await harness.Peer.SendRawAsync(garbage);
            await harness.Peer.CloseAsync();
            await harness.Peer.ExpectEndAsync();
            await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
            Assert.True(harness.Connection.Error is null or IOException, harness.Connection.Error?.ToString());
            Assert.Equal(0, harness.Connection.OpenStreams);
        });
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public Task Client_DamagedConversation_EndsInOrderEveryTime() => FuzzBudget.RunAsync(200, async random =>
    {
        await using var harness = ConnectionHarness.StartClient();
        await harness.Peer.HandshakeAsync();
        var (tunnel, sent) = harness.Open();
        byte[] good =
        [
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, 1, harness.Peer.Block((":status", "200"), ("baggage", "k8s.namespace.name=a"))),
            .. RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0, 0, 4, 0, 1, 0, 0),
            .. RudePeer.Frame(FrameType.Data, FrameFlags.Padded, 1, [3, .. "hello"u8, 0, 0, 0]),
            .. RudePeer.Frame(FrameType.WindowUpdate, FrameFlags.None, 1, RudePeer.Number(1000)),
            .. RudePeer.Frame(FrameType.Ping, FrameFlags.None, 0, new byte[8]),
            .. RudePeer.Frame(FrameType.GoAway, FrameFlags.None, 0, [.. RudePeer.Number(1), .. RudePeer.Number(0), .. "bye"u8]),
            .. RudePeer.Frame(FrameType.Data, FrameFlags.EndStream, 1, [.. "the end"u8]),
        ];
        await harness.Peer.SendRawAsync(Damage.Of(good, random));
        await harness.Peer.CloseAsync();
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
        Assert.True(harness.Connection.Error is null or IOException, harness.Connection.Error?.ToString());

        // Whoever waits for the tunnel or reads from it hears the end of it.
        await Task.WhenAny(sent.Answer, Task.Delay(ConnectionHarness.Patience));
        Assert.True(sent.Answer.IsCompleted);
        _ = sent.Answer.Exception;
        await tunnel.WaitUntilClosedAsync();
        Assert.Equal(0, harness.Connection.OpenStreams);
    });

    private static async Task ConversationAsync(ConnectionHarness harness)
    {
        var block = harness.Peer.Block((":method", "CONNECT"), (":authority", "a:1"), ("baggage", new string('b', 300)));
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.Padded, 1, [4, .. block[..20], 0, 0, 0, 0]);
        await harness.Peer.SendAsync(FrameType.Continuation, FrameFlags.EndHeaders, 1, block[20..]);
        var tunnel = (await harness.NextConnectAsync()).Accept("k=v");
        Assert.Equal([(":status", "200"), ("baggage", "k=v")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await ExchangeAsync(harness.Peer, tunnel, 1);
        await harness.Peer.SendHeadersAsync(3, false, (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/"));
        Assert.Equal([(":status", "400")], (await harness.Peer.ExpectHeadersAsync(3)).Headers);
        await harness.Peer.SendAsync((FrameType)0xbb, 0, 0, new byte[300]);
        await harness.Peer.SettleAsync();
    }

    private static async Task ExchangeAsync(RudePeer peer, HboneTunnel tunnel, int streamId)
    {
        var random = new Random(5);
        var bytes = new byte[3000];
        random.NextBytes(bytes);
        await peer.SendDataAsync(streamId, bytes.AsMemory(0, 1000));
        await peer.SendAsync(FrameType.Data, FrameFlags.Padded, streamId, [17, .. bytes[1000..2000], .. new byte[17]]);
        await peer.SendDataAsync(streamId, bytes.AsMemory(2000), endStream: true);
        Assert.Equal(bytes, await tunnel.ReadToEndAsync());
        await tunnel.WriteAsync(bytes);
        await tunnel.Output.CompleteAsync();
        Assert.Equal(bytes, await peer.ExpectDataAsync(streamId, bytes.Length));
        Assert.True((await peer.ExpectAsync(FrameType.Data, streamId)).EndStream);
        await tunnel.WaitUntilClosedAsync();
    }

    private static DribblingStream Dribble(Stream stream, int longest) =>
        longest == 1 ? DribblingStream.ByteByByte(stream) : DribblingStream.RandomPieces(stream, longest, longest);
}
