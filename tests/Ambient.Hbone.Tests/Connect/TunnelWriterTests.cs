using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Tests.Http2.Connections;

namespace Ambient.Hbone.Tests.Connect;

/// <summary>What was written arrives before the end does, however the writer came to its end.</summary>
public sealed class TunnelWriterTests
{
    private const int Length = 1_000_000;

    [Fact]
    public async Task Complete_MoreIsUnflushedThanTheQueueHolds_SendsAllOfItBeforeTheEnd()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        Fill(tunnel, Length);

        await tunnel.Output.CompleteAsync();

        Assert.Equal(Length, await ReadToEndAsync(harness));
    }

    [Fact]
    public async Task Flush_CancelledWhileThereIsNoRoom_LosesNothing()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        Fill(tunnel, Length);
        using var cancel = new CancellationTokenSource();
        var flushing = tunnel.Output.FlushAsync(cancel.Token).AsTask();
        Assert.False(flushing.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flushing);

        // The next one waits for the room that the first one no longer waits for.
        Fill(tunnel, 100);
        var again = tunnel.Output.FlushAsync().AsTask();
        Assert.False(again.IsCompleted);
        var reading = ReadToEndAsync(harness);
        Assert.False((await again.WaitAsync(ConnectionHarness.Patience)).IsCompleted);
        await tunnel.Output.CompleteAsync();

        Assert.Equal(Length + 100, await reading);
    }

    [Fact]
    public async Task Flush_ThatWaitedForRoom_DoesNotGoOnOnTheThreadThatServesTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        harness.Peer.Patience = TimeSpan.FromSeconds(10);
        var tunnel = await harness.AcceptAsync(1);
        using var done = new ManualResetEventSlim();
        var blocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Fill(tunnel, Length);
        var blocking = BlockAfterFlushAsync();

        await harness.Peer.SendWindowUpdateAsync(0, 10_000_000);
        await harness.Peer.SendWindowUpdateAsync(1, 10_000_000);
        await blocked.Task.WaitAsync(ConnectionHarness.Patience);
        try
        {
            await harness.Peer.SettleAsync();
        }
        finally
        {
            done.Set();
            await blocking;
        }

        async Task BlockAfterFlushAsync()
        {
            await tunnel.Output.FlushAsync().ConfigureAwait(false);
            blocked.SetResult();
            done.Wait();
        }
    }

    private static void Fill(HboneTunnel tunnel, int length)
    {
        while (length > 0)
        {
            var count = Math.Min(length, tunnel.Output.GetMemory().Length);
            tunnel.Output.Advance(count);
            length -= count;
        }
    }

    private static async Task<int> ReadToEndAsync(ConnectionHarness harness)
    {
        await harness.Peer.SendWindowUpdateAsync(0, 10_000_000);
        await harness.Peer.SendWindowUpdateAsync(1, 10_000_000);
        for (var total = 0; ;)
        {
            var frame = await harness.Peer.ExpectAsync(FrameType.Data, 1);
            total += frame.Payload.Length;
            if (frame.EndStream)
            {
                return total;
            }
        }
    }
}
