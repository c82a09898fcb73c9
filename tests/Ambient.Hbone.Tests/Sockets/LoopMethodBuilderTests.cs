using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Sockets;

/// <summary>Methods that the data path's own builder makes behave as any other: what they return, throw, and when; and their states serve again.</summary>
public sealed class LoopMethodBuilderTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Method_WithAResult_ReturnsIt(bool waits)
    {
        var gate = waits ? new TaskCompletionSource() : Completed();
        var task = AddAsync(gate.Task, 40, 2);
        Assert.Equal(!waits, task.IsCompleted);
        gate.TrySetResult();
        Assert.Equal(42, await task);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Method_ThatThrows_FailsWhoeverAwaitsIt(bool waits)
    {
        var gate = waits ? new TaskCompletionSource() : Completed();
        var (first, second) = (FailAsync(gate.Task, "with a result"), FailWithoutResultAsync(gate.Task, "without"));
        gate.TrySetResult();
        Assert.Equal("with a result", (await Assert.ThrowsAsync<IOException>(async () => await first)).Message);
        Assert.Equal("without", (await Assert.ThrowsAsync<IOException>(async () => await second)).Message);
    }

    [Fact]
    public async Task Calls_OfOneMethodAtOnce_KeepTheirOwnState()
    {
        var gates = Enumerable.Range(0, 300).Select(_ => new TaskCompletionSource()).ToArray();
        for (var round = 0; round < 3; round++)
        {
            var calls = gates.Select((gate, i) => AddAsync(gate.Task, i, round).AsTask()).ToArray();
            foreach (var gate in gates.Reverse())
            {
                gate.SetResult();
            }

            Assert.Equal(Enumerable.Range(0, gates.Length).Select(i => i + round), await Task.WhenAll(calls));
            gates = [.. gates.Select(_ => new TaskCompletionSource())];
        }
    }

    [Fact]
    public async Task Calls_EndedByManyThreads_KeepTheirOwnState()
    {
        var sums = await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
        {
            var sum = 0L;
            for (var i = 0; i < 5000; i++)
            {
                var gate = new TaskCompletionSource();
                var call = AddAsync(gate.Task, i, n);
                ThreadPool.UnsafeQueueUserWorkItem(static gate => gate.SetResult(), gate, preferLocal: false);
                sum += await call.ConfigureAwait(false);
            }

            return sum;
        })));
        Assert.Equal(Enumerable.Range(0, 8).Select(n => (5000L * 4999 / 2) + (5000 * n)), sums);
    }

    [Fact]
    public async Task State_OfACallThatIsOver_DoesNotServeASecondAwait()
    {
        var gate = new TaskCompletionSource();
        var task = AddAsync(gate.Task, 1, 1);
        gate.SetResult();
        Assert.Equal(2, await task);
        Assert.Throws<InvalidOperationException>(() => task.GetAwaiter().GetResult());
    }

    [Fact]
    public void Result_BeforeItIsThere_IsRefused()
    {
        var gate = new TaskCompletionSource();
        var task = AddAsync(gate.Task, 1, 1);
        Assert.Throws<InvalidOperationException>(() => task.GetAwaiter().GetResult());
        gate.SetResult();
        Assert.True(SpinWait.SpinUntil(() => task.IsCompleted, TimeSpan.FromSeconds(20)));
        Assert.Equal(2, task.GetAwaiter().GetResult());
    }

    /// <summary>Who awaits it on a thread with a context of its own goes on there, as after any other task.</summary>
    [Fact]
    public void Await_WithASynchronizationContext_GoesOnThere()
    {
        var gate = new TaskCompletionSource();
        var context = new Collecting();
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        Task<int> outer;
        try
        {
            outer = OuterAsync();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        gate.SetResult();
        Assert.True(context.Posted.TryTake(out var rest, TimeSpan.FromSeconds(20)));
        Assert.False(outer.IsCompleted);
        rest();
        Assert.Equal(3, outer.GetAwaiter().GetResult());

        async Task<int> OuterAsync() => await AddAsync(gate.Task, 1, 2);
    }

    private static TaskCompletionSource Completed()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<int> AddAsync(Task gate, int left, int right)
    {
        await gate.ConfigureAwait(false);
        return left + right;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<int> FailAsync(Task gate, string why)
    {
        await gate.ConfigureAwait(false);
        throw new IOException(why);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask FailWithoutResultAsync(Task gate, string why)
    {
        await gate.ConfigureAwait(false);
        throw new IOException(why);
    }

    private sealed class Collecting : SynchronizationContext
    {
        public BlockingCollection<Action> Posted { get; } = [];

        public override void Post(SendOrPostCallback d, object? state) => Posted.Add(() => d(state));
    }
}
