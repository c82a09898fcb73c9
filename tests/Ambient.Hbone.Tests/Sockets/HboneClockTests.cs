using System.Diagnostics;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Sockets;

public sealed class HboneClockTests
{
    [Fact]
    public async Task Times_OfOneTurn_AreTheSame_AndOfTheNextAreLater()
    {
        using var io = new HboneIo(1);
        var loop = io.NextLoop()!;
        var first = await TimesAsync(loop);
        var second = await TimesAsync(loop);
        Assert.All([first, second], static times =>
        {
            Assert.Equal(times.Timestamps[0], times.Timestamps[1]);
            Assert.Equal(times.Days[0], times.Days[1]);
        });
        Assert.True(second.Timestamps[0] > first.Timestamps[0]);
        Assert.InRange(second.Days[0], first.Days[0], DateTimeOffset.UtcNow);
        Assert.Equal(TimeSpan.Zero, second.Days[0].Offset);
        Assert.InRange(Stopwatch.GetElapsedTime(second.Timestamps[0]), TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void Times_OfOtherThreads_AreTheSystems()
    {
        var before = Stopwatch.GetTimestamp();
        var first = HboneClock.Instance.GetTimestamp();
        while (Stopwatch.GetTimestamp() == first)
        {
        }

        Assert.InRange(first, before, HboneClock.Instance.GetTimestamp() - 1);
    }

    private static Task<Times> TimesAsync(EventLoop loop)
    {
        var work = new Work();
        Assert.True(loop.Post(work));
        return work.Done.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private sealed record Times(long[] Timestamps, DateTimeOffset[] Days);

    private sealed class Work : ILoopWork
    {
        public TaskCompletionSource<Times> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Run()
        {
            var (timestamp, day) = (HboneClock.Instance.GetTimestamp(), HboneClock.Instance.GetUtcNow());
            var begun = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(begun) < TimeSpan.FromMilliseconds(1))
            {
            }

            Done.SetResult(new Times([timestamp, HboneClock.Instance.GetTimestamp()], [day, HboneClock.Instance.GetUtcNow()]));
        }
    }
}
