using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>The end of a connection in two steps (RFC 9113 section 6.8), from both sides.</summary>
public class Http2ConnectionDrainTests
{
    [Fact]
    public async Task ShutDown_NothingOpen_SaysGoAwayTwiceAndCloses()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        harness.Connection.ShutDown();
        await AnswerFirstGoAwayAsync(harness);
        var goAway = await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.NoError);
        Assert.Equal(0, goAway.LastStreamId);
        await harness.Peer.CloseAsync();
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
        Assert.Null(harness.Connection.Error);
    }

    [Fact]
    public async Task ShutDown_StreamsOpenedBeforeThePingIsBack_AreServed()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var first = await harness.AcceptAsync(1);
        harness.Connection.ShutDown();
        var ping = await ExpectFirstGoAwayAsync(harness);
        Assert.False(harness.Connection.CanOpen);

        // On its way when the peer learned of the end: neither refused nor forgotten by the second GOAWAY.
        var second = await harness.AcceptAsync(3);
        await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, ping);
        var last = await harness.Peer.ExpectAsync(FrameType.GoAway);
        Assert.Equal((3, Http2ErrorCode.NoError), (last.LastStreamId, last.Code));

        // After it nothing is taken, and what is open goes on to its own end.
        await harness.Peer.SendConnectAsync(5);
        await harness.Peer.ExpectResetAsync(5, Http2ErrorCode.RefusedStream);
        foreach (var (id, tunnel) in new[] { (1, first), (3, second) })
        {
            await harness.Peer.SendDataAsync(id, "x"u8.ToArray(), endStream: true);
            Assert.Single(await tunnel.ReadToEndAsync());
            await tunnel.Output.CompleteAsync();
            Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, id)).EndStream);
        }

        await harness.Peer.ExpectEndAsync();
        await harness.Peer.CloseAsync();
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
        Assert.Null(harness.Connection.Error);
    }

    [Fact]
    public async Task ShutDown_PingIsNeverAnswered_ConcludesInBoundedTime()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        harness.Connection.ShutDown();
        await ExpectFirstGoAwayAsync(harness);
        await harness.Peer.SendPingAsync(1, ack: true); // not the answer
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), frame => frame.Type == FrameType.GoAway);
        harness.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(1, (await harness.Peer.ExpectAsync(FrameType.GoAway)).LastStreamId);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        await tunnel.Output.CompleteAsync();
        await harness.Peer.ExpectEndAsync();
    }

    [Fact]
    public async Task ShutDown_StreamThatEndsInBetween_DoesNotCloseTheConnectionEarly()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        harness.Connection.ShutDown();
        var ping = await ExpectFirstGoAwayAsync(harness);
        for (var id = 1; id <= 3; id += 2)
        {
            var tunnel = await harness.AcceptAsync(id);
            await harness.Peer.SendDataAsync(id, default, endStream: true);
            await tunnel.Output.CompleteAsync();
            await harness.Peer.ExpectAsync(FrameType.Data, id);
        }

        await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, ping);
        Assert.Equal(3, (await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.NoError)).LastStreamId);
    }

    [Fact]
    public async Task FaultAfterTheLastGoAway_NamesNoHigherStream()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        harness.Connection.ShutDown();
        await AnswerFirstGoAwayAsync(harness);
        Assert.Equal(1, (await harness.Peer.ExpectAsync(FrameType.GoAway)).LastStreamId);
        await harness.Peer.SendConnectAsync(7);
        await harness.Peer.ExpectResetAsync(7, Http2ErrorCode.RefusedStream);
        await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.None, 1, new byte[8]);
        Assert.Equal(1, (await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError)).LastStreamId);
    }

    [Fact]
    public async Task GoAwayInTwoSteps_AtOurClient_StopsNewStreamsThenFailsThoseAboveTheLast()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var kept = await harness.OpenAsync(1);
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(3);
        await harness.Peer.SendGoAwayAsync(int.MaxValue, Http2ErrorCode.NoError);
        await harness.Peer.SettleAsync();
        Assert.False(harness.Connection.CanOpen);
        Assert.False(sent.Answer.IsCompleted);
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.NoError);

        // The server has not looked at it: it may be sent elsewhere.
        await Assert.ThrowsAsync<Ambient.Hbone.Http2.UnprocessedException>(() => sent.Answer.WaitAsync(ConnectionHarness.Patience));
        await harness.Peer.SendDataAsync(1, "kept"u8.ToArray());
        Assert.Equal("kept"u8.ToArray(), await kept.ReadAsync(4));
    }

    [Fact]
    public async Task GoAwayInTwoSteps_StreamAnsweredInBetween_IsKept()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (tunnel, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendGoAwayAsync(int.MaxValue, Http2ErrorCode.NoError);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.NoError);
        Assert.Equal(200, (await sent.Answer.WaitAsync(ConnectionHarness.Patience)).Status);
        await harness.Peer.SendDataAsync(1, "kept"u8.ToArray());
        Assert.Equal("kept"u8.ToArray(), await tunnel.ReadAsync(4));
    }

    /// <summary>The first GOAWAY and the PING behind it, which is returned unanswered.</summary>
    private static async Task<byte[]> ExpectFirstGoAwayAsync(ConnectionHarness harness)
    {
        var first = await harness.Peer.ExpectAsync(FrameType.GoAway);
        Assert.Equal((int.MaxValue, Http2ErrorCode.NoError), (first.LastStreamId, first.Code));
        return (await harness.Peer.ExpectAsync(FrameType.Ping)).Payload;
    }

    private static async Task AnswerFirstGoAwayAsync(ConnectionHarness harness) =>
        await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, await ExpectFirstGoAwayAsync(harness));
}
