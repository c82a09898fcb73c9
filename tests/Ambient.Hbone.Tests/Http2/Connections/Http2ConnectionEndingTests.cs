using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Resets, GOAWAY and pings: the ways in which streams and connections end.</summary>
public class Http2ConnectionEndingTests
{
    [Theory]
    [InlineData(0u)] // NO_ERROR
    [InlineData(8u)] // CANCEL
    public async Task Reset_NoErrorOrCancel_ReadsAsAnEnd(uint code)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, "last"u8.ToArray());
        await harness.Peer.SendResetAsync(1, (Http2ErrorCode)code);
        Assert.Equal("last"u8.ToArray(), await tunnel.ReadToEndAsync());
        await tunnel.WaitUntilClosedAsync();
        Assert.True((await tunnel.Output.WriteAsync("x"u8.ToArray())).IsCompleted);
        Assert.Empty(await harness.Peer.SettleAsync());
    }

    [Theory]
    [InlineData(1u)] // PROTOCOL_ERROR
    [InlineData(2u)] // INTERNAL_ERROR
    [InlineData(5u)] // STREAM_CLOSED
    [InlineData(7u)] // REFUSED_STREAM
    [InlineData(0xffffffffu)] // unknown
    public async Task Reset_OtherCode_ReadsAsAnError(uint code)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendResetAsync(1, (Http2ErrorCode)code);
        var exception = await Assert.ThrowsAnyAsync<IOException>(tunnel.ReadToEndAsync);
        Assert.Contains("reset", exception.Message, StringComparison.Ordinal);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Reset_BeforeTheAnswer_AbortsTheConnect()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1);
        var connect = await harness.NextConnectAsync();
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        await harness.Peer.SettleAsync();
        Assert.True(connect.Aborted.IsCancellationRequested);

        // Too late to be told, and no fault of the handler's.
        connect.Reject(503);
        Assert.Empty(await harness.Peer.SettleAsync());
    }

    [Fact]
    public async Task Abort_OpenTunnel_ResetsWithCancelOnce()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        tunnel.Abort();
        tunnel.Abort();
        await tunnel.DisposeAsync();
        var frame = Assert.Single(await harness.Peer.SettleAsync());
        Assert.Equal((FrameType.RstStream, Http2ErrorCode.Cancel), (frame.Type, frame.Code));
        Assert.Equal(0, harness.Connection.OpenStreams);
    }

    [Fact]
    public async Task Abort_WhileAWriterWaitsForRoom_ReleasesIt()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        var tunnel = await harness.AcceptAsync(1);
        var writing = Task.Run(async () =>
        {
            while (!(await tunnel.Output.WriteAsync(new byte[64 * 1024])).IsCompleted)
            {
            }
        });
        await harness.Peer.SettleAsync();
        tunnel.Abort();
        await writing.WaitAsync(ConnectionHarness.Patience);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.Cancel);
    }

    [Fact]
    public async Task PeerReset_WhileAWriterWaitsForRoom_ReleasesIt()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 1000));
        var tunnel = await harness.AcceptAsync(1);
        var writing = Task.Run(async () =>
        {
            while (!(await tunnel.Output.WriteAsync(new byte[64 * 1024])).IsCompleted)
            {
            }
        });
        await harness.Peer.ExpectDataAsync(1, 1000);
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        await writing.WaitAsync(ConnectionHarness.Patience);
    }

    [Fact]
    public async Task Dispose_WithBytesAndEndQueued_StillSendsThem()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 10));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[5000]);
        await tunnel.Output.CompleteAsync();
        await tunnel.DisposeAsync();
        Assert.Equal(10, (await harness.Peer.ExpectDataAsync(1, 10)).Length);
        await harness.Peer.SendWindowUpdateAsync(1, 10_000);
        var received = 10;
        while (true)
        {
            var frame = await harness.Peer.ExpectAsync(FrameType.Data, 1);
            received += frame.Payload.Length;
            if (frame.EndStream)
            {
                break;
            }
        }

        Assert.Equal(5000, received);
    }

    [Fact]
    public async Task GoAwayReceived_WithOpenTunnels_LetsThemFinish()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendGoAwayAsync(0, Http2ErrorCode.NoError);
        await harness.Peer.SendDataAsync(1, "still"u8.ToArray(), endStream: true);
        Assert.Equal("still"u8.ToArray(), await tunnel.ReadToEndAsync());
        await tunnel.WriteAsync("here"u8.ToArray());
        await tunnel.Output.CompleteAsync();
        Assert.Equal("here"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 4));
        await harness.Peer.CloseAsync();
        await harness.Peer.ExpectEndAsync();
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
    }

    [Fact]
    public async Task Aborted_IsAboutTheTimeBeforeTheAnswer_ClosedAboutTheTunnel()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1);
        var connect = await harness.NextConnectAsync();
        var aborted = connect.Aborted;
        var tunnel = connect.Accept();
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        await tunnel.WaitUntilClosedAsync();
        Assert.False(aborted.IsCancellationRequested);

        await harness.Peer.SendConnectAsync(3);
        var unanswered = await harness.NextConnectAsync();
        var given = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = unanswered.Aborted.Register(given.SetResult);
        await harness.Peer.SendResetAsync(3, Http2ErrorCode.Cancel);
        await given.Task.WaitAsync(ConnectionHarness.Patience);
        Assert.True(unanswered.Aborted.IsCancellationRequested);
    }

    [Fact]
    public async Task Tick_QuietConnection_PingsAndGoesOnWhenAnswered()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        harness.Time.Advance(TimeSpan.FromSeconds(9));
        harness.Connection.Tick();
        Assert.Empty(await harness.Peer.SettleAsync());
        for (var i = 0; i < 3; i++)
        {
            harness.Time.Advance(TimeSpan.FromSeconds(11));
            harness.Connection.Tick();
            var ping = await harness.Peer.ExpectAsync(frame => frame.Type == FrameType.Ping && !frame.Header.HasFlag(FrameFlags.Ack), "PING");
            await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, ping.Payload);
            await harness.Peer.SettleAsync();
        }
    }

    [Fact]
    public async Task Tick_ServerUnansweredPing_SaysGoAwayAndFailsTheTunnels()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        harness.Time.Advance(TimeSpan.FromSeconds(10));
        harness.Connection.Tick();
        await harness.Peer.ExpectAsync(FrameType.Ping);
        await harness.Peer.SendPingAsync(1, ack: true); // not the answer
        await harness.Peer.SettleAsync();
        harness.Time.Advance(TimeSpan.FromSeconds(19));
        harness.Connection.Tick();
        await harness.Peer.SettleAsync();
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        harness.Connection.Tick();
        await tunnel.WaitUntilClosedAsync();
        Assert.IsType<TimeoutException>(harness.Connection.Error);
        await Assert.ThrowsAnyAsync<IOException>(tunnel.ReadToEndAsync);
    }

    [Fact]
    public async Task Tick_ClientUnansweredPing_DropsTheConnection()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        harness.Time.Advance(TimeSpan.FromSeconds(10));
        harness.Connection.Tick();
        await harness.Peer.ExpectAsync(FrameType.Ping);
        harness.Time.Advance(TimeSpan.FromSeconds(20));
        harness.Connection.Tick();
        await tunnel.WaitUntilClosedAsync();
        Assert.False(harness.Connection.CanOpen);
        Assert.IsType<TimeoutException>(harness.Connection.Error);
    }

    [Fact]
    public async Task Dispose_OpenTunnels_EndThemAtOnce()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        var disposing = harness.Connection.DisposeAsync().AsTask();
        await tunnel.WaitUntilClosedAsync();
        var goAway = await harness.Peer.ExpectAsync(FrameType.GoAway);
        Assert.Equal((0, Http2ErrorCode.NoError), (goAway.LastStreamId, goAway.Code));
        await harness.Peer.ExpectEndAsync();
        await harness.Peer.CloseAsync();
        await disposing.WaitAsync(ConnectionHarness.Patience);
    }
}
