using System.Diagnostics;
using System.Text;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Tests.Diagnostics;

/// <summary>Lines of several threads on their way to the log.</summary>
public sealed class LogQueueTests
{
    [Fact]
    public void LinesOfTwoQueues_AreWrittenInTheOrderInWhichTheyCame()
    {
        var (first, second) = (new LogQueue(), new LogQueue());
        var batch = new LogBatch(2);
        var random = new Random(7);
        for (var round = 0; round < 3; round++)
        {
            var expected = new StringBuilder();
            for (var i = 0; i < 2000; i++)
            {
                var line = $"{round} {i}\n";
                expected.Append(line);
                Assert.True((random.Next(3) == 0 ? first : second).TryAppend(Encoding.UTF8.GetBytes(line), LogWriter.Capacity));
                WaitForTheClock();
            }

            batch.Take(first);
            batch.Take(second);
            batch.PutInOrder();

            Assert.Equal(expected.ToString(), Encoding.UTF8.GetString(batch.Lines));
            Assert.True(first.IsEmpty && second.IsEmpty);
            batch.Clear();
            Assert.Equal(0, batch.Lines.Length);
        }
    }

    [Fact]
    public void LinesOfOneQueue_AreWrittenAsTheyAre()
    {
        var queue = new LogQueue();
        var batch = new LogBatch(2);
        queue.TryAppend("a\n"u8, LogWriter.Capacity);
        queue.TryAppend("b\n"u8, LogWriter.Capacity);

        batch.Take(new LogQueue());
        batch.Take(queue);
        batch.PutInOrder();

        Assert.Equal("a\nb\n", Encoding.UTF8.GetString(batch.Lines));
    }

    [Fact]
    public void Queue_TakesWhatItMayHave_AndOneLineThatIsLongerThanAllAlone()
    {
        var queue = new LogQueue();
        Assert.False(queue.TryAppend(new byte[11], 10));
        Assert.True(queue.TryAppend(new byte[6], 10));
        Assert.False(queue.TryAppend(new byte[5], 10));
        Assert.True(queue.TryAppend(new byte[4], 10));
        Assert.Equal(10, queue.Length);

        Assert.False(queue.TryAppend(new byte[LogWriter.Capacity + 1], LogWriter.Capacity));
        Assert.True(new LogQueue().TryAppend(new byte[LogWriter.Capacity + 1], LogWriter.Capacity));
    }

    // What comes within one tick of the clock is of one time.
    private static void WaitForTheClock()
    {
        for (var now = Stopwatch.GetTimestamp(); Stopwatch.GetTimestamp() == now;)
        {
        }
    }
}
