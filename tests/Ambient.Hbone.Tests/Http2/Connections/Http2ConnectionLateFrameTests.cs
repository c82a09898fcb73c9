using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>What a peer sent before it knew that we had reset the stream is processed for the tables' sake and discarded (RFC 9113 section 5.1).</summary>
public class Http2ConnectionLateFrameTests
{
    [Fact]
    public async Task Server_TrailersAndDataOnAStreamItReset_LeaveTheOthersAlone()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var kept = await harness.AcceptAsync(1);
        var reset = await harness.AcceptAsync(3);
        reset.Abort();
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.Cancel);
        await harness.Peer.SendDataAsync(3, new byte[100]);
        await SendBlockInTwoFramesAsync(harness.Peer, 3, ("x-late", "one"));
        await AssertGoesOnAsync(harness, kept);
    }

    [Fact]
    public async Task Server_HeadersOnARefusedStream_LeaveTheOthersAlone()
    {
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { MaxConcurrentStreams = 1 });
        var kept = await harness.AcceptAsync(1);
        await harness.Peer.SendConnectAsync(3);
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.RefusedStream);
        await harness.Peer.SendHeadersAsync(3, endStream: true, ("x-late", "one"));
        await AssertGoesOnAsync(harness, kept);
    }

    [Fact]
    public async Task Server_HeadersAfterARejection_LeaveTheOthersAlone()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var kept = await harness.AcceptAsync(1);
        await harness.Peer.SendConnectAsync(3);
        (await harness.NextConnectAsync()).Reject(401);
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.NoError);
        await harness.Peer.SendHeadersAsync(3, endStream: true, ("x-late", "one"));
        await AssertGoesOnAsync(harness, kept);
    }

    [Fact]
    public async Task Server_HeadersOnStreamsAmongManyResets_AreDiscarded()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var kept = await harness.AcceptAsync(1);
        for (var id = 3; id < 1003; id += 2)
        {
            (await harness.AcceptAsync(id)).Abort();
        }

        for (var id = 3; id < 1003; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, endStream: true, ("x-late", "one"));
        }

        await AssertGoesOnAsync(harness, kept);
    }

    [Fact]
    public async Task Server_HeadersOnAStreamThatEndedInOrder_StillEndTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        await tunnel.Output.CompleteAsync();
        await harness.Peer.ExpectAsync(FrameType.Data, 1);
        await harness.Peer.SendConnectAsync(1);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.StreamClosed);
    }

    [Fact]
    public async Task Server_HeadersOnANumberThatWasSkipped_StillEndTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        (await harness.AcceptAsync(7)).Abort();
        await harness.Peer.SendConnectAsync(3);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.StreamClosed);
    }

    [Fact]
    public async Task Client_ResponseTrailersAndDataOnAStreamItReset_LeaveTheOthersAlone()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var kept = await harness.OpenAsync(1);
        var (reset, _) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(3);
        reset.Abort();
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.Cancel);
        await harness.Peer.SendHeadersAsync(3, false, (":status", "200"), ("x-late", "one"));
        await harness.Peer.SendDataAsync(3, new byte[100]);
        await SendBlockInTwoFramesAsync(harness.Peer, 3, ("x-late", "two"));
        await harness.Peer.SendDataAsync(1, "kept"u8.ToArray());
        Assert.Equal("kept"u8.ToArray(), await kept.ReadAsync(4));

        // The tables agree: what follows uses entries that the discarded blocks have made.
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(5);
        await harness.Peer.SendHeadersAsync(5, false, (":status", "200"), ("x-late", "two"));
        Assert.Equal(200, (await sent.Answer.WaitAsync(ConnectionHarness.Patience)).Status);
    }

    /// <summary>HEADERS and a CONTINUATION.</summary>
    private static async Task SendBlockInTwoFramesAsync(RudePeer peer, int streamId, params (string Name, string Value)[] headers)
    {
        var block = peer.Block(headers);
        await peer.SendAsync(FrameType.Headers, FrameFlags.EndStream, streamId, block[..1]);
        await peer.SendAsync(FrameType.Continuation, FrameFlags.EndHeaders, streamId, block[1..]);
    }

    private static async Task AssertGoesOnAsync(ConnectionHarness harness, HboneTunnel kept)
    {
        await harness.Peer.SendDataAsync(1, "kept"u8.ToArray());
        Assert.Equal("kept"u8.ToArray(), await kept.ReadAsync(4));

        // The tables agree: the block refers to an entry that a discarded one has made.
        await harness.Peer.SendHeadersAsync(2001, false, (":method", "CONNECT"), (":authority", "10.0.0.1:80"), ("x-late", "one"));
        await harness.Peer.SettleAsync();
    }
}
