using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Frames that come with one read: whoever they are for goes on when all of them are handled, and nothing is lost by what breaks off behind them.</summary>
public class OneReadTests
{
    [Fact]
    public async Task Server_RequestWithItsBody_IsWholeWhenTheHandlerBegins()
    {
        var seen = new TaskCompletionSource<(bool Whole, string Body, bool End)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var harness = await ServerHarness.StartAsync(handle: async exchange =>
        {
            var whole = exchange.IsRequestWhole;
            var there = exchange.TryRead(out var piece);
            var body = Encoding.ASCII.GetString(piece.Span);
            seen.TrySetResult((whole && there, body, exchange.TryRead(out piece) && piece.IsEmpty));
            await exchange.AnswerAsync("done");
        });
        await harness.Peer.SendRawAsync(Frames(Head(harness.Peer, 1, ServerHarness.Post()), Data(1, "bo"), Data(1, "dy", end: true)));
        Assert.Equal((true, "body", true), await seen.Task.WaitAsync(MessageText.Patience));
        await harness.Peer.ExpectDataAsync(1, 4);
    }

    [Fact]
    public async Task Server_RequestTakenBack_IsGoneWhenTheHandlerBegins()
    {
        var seen = new List<(string Path, MessageFault Fault)>();
        await using var harness = await ServerHarness.StartAsync(handle: async exchange =>
        {
            seen.Add((exchange.Request.Target, exchange.Fault));
            await exchange.AnswerAsync("done");
        });
        var reset = RudePeer.Frame(FrameType.RstStream, FrameFlags.None, 1, RudePeer.Number((uint)Http2ErrorCode.Cancel));
        await harness.Peer.SendRawAsync(Frames(
            Head(harness.Peer, 1, ServerHarness.Post()), Data(1, "body"), reset, RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 3, harness.Peer.Block(ServerHarness.Get("/next")))));
        await harness.Peer.ExpectDataAsync(3, 4);
        Assert.Equal([("/", MessageFault.ClientGone), ("/next", MessageFault.None)], seen);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Server_BrokenOffBehindTheHead_TellsTheHandler(bool connection)
    {
        var gone = new TaskCompletionSource<MessageFault>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var harness = await ServerHarness.StartAsync(handle: async exchange =>
        {
            exchange.OnGone = gone => Tell(gone.Fault);
            await Task.Yield();
            await exchange.ReadToEndAsync();
            void Tell(MessageFault fault) => gone.TrySetResult(fault);
        });
        var end = connection ? Data(7, "idle") : RudePeer.Frame(FrameType.RstStream, FrameFlags.None, 1, RudePeer.Number((uint)Http2ErrorCode.Cancel));
        await harness.Peer.SendRawAsync(Frames(Head(harness.Peer, 1, ServerHarness.Post()), Data(1, "body"), end));
        Assert.Equal(MessageFault.ClientGone, await gone.Task.WaitAsync(MessageText.Patience));
        if (connection)
        {
            await harness.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        }
    }

    [Fact]
    public async Task Client_AnswerWithItsBody_IsWholeWhenItsHeadIsRead()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        var reading = ReadAsync();
        await harness.Peer.SendRawAsync(Frames(Head(harness.Peer, 1, (":status", "200")), Data(1, "bo"), Data(1, "dy", end: true)));
        Assert.Equal((200, true, "body", true), await reading.WaitAsync(MessageText.Patience));

        async Task<(int Status, bool There, string Body, bool End)> ReadAsync()
        {
            var head = await exchange.ReceiveHeadAsync();
            var there = exchange.TryRead(out var piece);
            var body = Encoding.ASCII.GetString(piece.Span);
            return (head.Status, there, body, exchange.TryRead(out piece) && piece.IsEmpty);
        }
    }

    [Theory]
    [InlineData(true, MessageFault.Malformed)]
    [InlineData(false, MessageFault.Reset)]
    internal async Task Client_BrokenOffBehindTheAnswer_HasWhatCameBefore(bool connection, MessageFault fault)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        var head = exchange.ReceiveHeadAsync().AsTask();
        var end = connection ? Data(7, "idle") : RudePeer.Frame(FrameType.RstStream, FrameFlags.None, 1, RudePeer.Number((uint)Http2ErrorCode.InternalError));
        await harness.Peer.SendRawAsync(Frames(Head(harness.Peer, 1, (":status", "200")), Data(1, "body"), end));
        Assert.Equal(200, (await head.WaitAsync(MessageText.Patience)).Status);
        Assert.Equal("body", Encoding.ASCII.GetString((await exchange.ReadAsync().AsTask().WaitAsync(MessageText.Patience)).Span));
        Assert.Equal(fault, (await exchange.ReadAsync().AsTask().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Client_InterimAndFinalAnswer_ComeOneAfterTheOther()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        var first = exchange.ReceiveHeadAsync().AsTask();
        await harness.Peer.SendRawAsync(Frames(
            Head(harness.Peer, 1, (":status", "103"), ("x-n", "1")), Head(harness.Peer, 1, (":status", "103"), ("x-n", "2")), Head(harness.Peer, 1, (":status", "200")), Data(1, "body", end: true)));
        var head = await first.WaitAsync(MessageText.Patience);
        Assert.Equal((103, "1"), (head.Status, head.Fields.Get("x-n")));
        head = await exchange.HeadAsync();
        Assert.Equal((103, "2"), (head.Status, head.Fields.Get("x-n")));
        Assert.Equal(200, (await exchange.HeadAsync()).Status);
        Assert.Equal("body", await exchange.ReadTextAsync());
    }

    private static byte[] Head(RudePeer peer, int streamId, params (string Name, string Value)[] headers) =>
        RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, streamId, peer.Block(headers));

    private static byte[] Data(int streamId, string text, bool end = false) =>
        RudePeer.Frame(FrameType.Data, end ? FrameFlags.EndStream : FrameFlags.None, streamId, Encoding.ASCII.GetBytes(text));

    private static byte[] Frames(params byte[][] frames) => [.. frames.SelectMany(static frame => frame)];
}
