using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;

namespace Ambient.Hbone.Tests.Sockets;

/// <summary>Threads belong to whoever made them.</summary>
public sealed class HboneIoTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(HboneIo.MaxThreads + 1)]
    public void Threads_OutOfRange_AreRefused(int threads) => Assert.Throws<ArgumentOutOfRangeException>(() => new HboneIo(threads));

    [Fact]
    public void Loops_AreAsManyAsAskedForAndServeInTurn()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        using var io = new HboneIo(3);
        using var other = new HboneIo(2);
        var loops = Enumerable.Range(0, 9).Select(_ => io.NextLoop()!).ToArray();
        Assert.Equal(3, loops.Distinct().Count());
        Assert.Equal(loops[..3], loops[3..6]);
        Assert.DoesNotContain(other.NextLoop(), loops);
        Assert.DoesNotContain(HboneIo.Default.NextLoop(), loops);
    }

    [Fact]
    public void Default_IsNobodysToDispose()
    {
        HboneIo.Default.Dispose();
        Assert.Equal(EventLoop.IsSupported, HboneIo.Default.NextLoop() is not null);
    }

    [Fact]
    public async Task Disposed_ServesWhatIsOpenAndNothingNew_AndItsThreadsEndWithTheLast()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        var io = new HboneIo(2);
        EventLoop[] loops = [io.NextLoop()!, io.NextLoop()!];
        await using (var pair = new HbonePair { ServerOptions = { Io = io }, ClientOptions = { Io = io } }.Start(Echo.HandleAsync))
        {
            var tunnel = await pair.ConnectAsync();
            io.Dispose();
            io.Dispose();
            Assert.Throws<ObjectDisposedException>(() => io.NextLoop());

            await using var stream = tunnel.AsStream();
            await stream.WriteAsync("still here"u8.ToArray());
            await stream.FlushAsync();
            var echo = new byte[10];
            await stream.ReadExactlyAsync(echo).AsTask().WaitAsync(HbonePair.Patience);
            Assert.Equal("still here"u8.ToArray(), echo);
        }

        for (var tries = 0; loops.Any(loop => !loop.HasEnded); tries++)
        {
            Assert.True(tries < 1500, "the threads go on");
            await Task.Delay(20);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Handler_RunsWhereItsOwnersThreadsAre(bool inline)
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        using var io = new HboneIo(1) { RunsInline = inline };
        var loop = new TaskCompletionSource<EventLoop?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = new HbonePair { ServerOptions = { Io = io } }.Start((connect, _) =>
        {
            loop.TrySetResult(EventLoop.Current);
            connect.Reject(503);
            return default;
        });
        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());
        Assert.Equal(inline ? io.NextLoop() : null, await loop.Task.WaitAsync(HbonePair.Patience));
    }

    [Fact]
    public async Task Thread_IsReturnedTo_FromWherever_AndOneThatHasEndedByAnother()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        // Without the context that a test has, which would lead everybody away again.
        await Task.Run(async () =>
        {
            var io = new HboneIo(2);
            var (loop, other) = (io.NextLoop()!, io.NextLoop()!);
            using (var place = new LoopPlace(loop))
            {
                await place.EnterAsync().ConfigureAwait(false);
                var thread = HboneThread.Current;
                for (var i = 0; i < 100; i++)
                {
                    await Task.Yield();
                    await thread.ReturnAsync().ConfigureAwait(false);
                    Assert.Same(loop, EventLoop.Current);
                    Assert.True(thread.ReturnAsync().AsTask().IsCompleted);
                }

                Assert.True(thread == HboneThread.Current);
                await Task.Yield();
                Assert.Null(EventLoop.Current);
                Assert.True(HboneThread.Current.ReturnAsync().AsTask().IsCompleted);

                // Many at once, from many threads.
                await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(async () =>
                {
                    await thread.ReturnAsync().ConfigureAwait(false);
                    Assert.Same(loop, EventLoop.Current);
                }))).WaitAsync(HbonePair.Patience).ConfigureAwait(false);

                await thread.ReturnAsync().ConfigureAwait(false);
                await Task.Yield();
                io.Dispose();
                place.Dispose();
                for (var tries = 0; !loop.HasEnded || !other.HasEnded; tries++)
                {
                    Assert.True(tries < 1500, "the threads go on");
                    await Task.Delay(20).ConfigureAwait(false);
                }

                await thread.ReturnAsync().ConfigureAwait(false);
                Assert.Null(EventLoop.Current);
            }
        });
    }

    [Fact]
    public async Task Relay_OfTwoSockets_UsesTheThreadsThatItIsGiven()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        using var listener = TcpPeer.Listen();
        using var near = TcpPeer.Connect(listener.EndPoint);
        using var client = listener.Accept();
        using var far = TcpPeer.Connect(listener.EndPoint);
        using var server = listener.Accept();
        var io = new HboneIo(1);
        var only = io.NextLoop()!;
        var relay = Relay.RunAsync(client, server, new RelayCounters(), io, CancellationToken.None).AsTask();
        io.Dispose();
        await Task.Delay(50);
        Assert.False(only.HasEnded);
        near.Send("x"u8);
        Assert.Equal(1, far.Receive(new byte[1]));
        near.Shutdown(SocketShutdown.Send);
        far.Shutdown(SocketShutdown.Send);
        Assert.Equal(RelayEnd.Complete, (await relay.WaitAsync(HbonePair.Patience)).End);
        for (var tries = 0; !only.HasEnded; tries++)
        {
            Assert.True(tries < 1500, "the thread goes on");
            await Task.Delay(20);
        }
    }
}
