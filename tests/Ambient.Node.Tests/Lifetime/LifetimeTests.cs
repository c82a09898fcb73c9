using Ambient.Hbone.Sockets;
using Ambient.Node.Connections;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Lifetime;

public sealed class LifetimeTests
{
    private readonly DiagnosticsKit _kit = new();

    [Fact]
    [Trait("Reference", "test_connection_manager_release")]
    public async Task Table_OpenAndClose_KeepsCountLogAndMetrics()
    {
        var registry = new MetricRegistry();
        var metrics = new TcpMetrics(registry, NullLoggerFactory.Instance);
        var table = new ConnectionTable(new ConnectionLog(_kit.Loggers), metrics, registry, _kit.Time);

        var first = table.Open(DiagnosticsKit.Outbound, _kit.Time.GetTimestamp());
        var second = table.Open(DiagnosticsKit.Outbound, _kit.Time.GetTimestamp());
        var third = table.Open(DiagnosticsKit.Outbound, _kit.Time.GetTimestamp());
        var empty = table.WhenEmptyAsync();
        _kit.Time.Advance(TimeSpan.FromMilliseconds(12));
        second.Close(ResponseFlag.None, null);
        Assert.Equal(2, table.Count);
        Assert.Equal(new HashSet<OpenConnection> { first, third }, table.Snapshot().ToHashSet());
        first.Close(ResponseFlag.Deny, "denied");
        Assert.False(empty.IsCompleted);
        third.Close(ResponseFlag.None, null);

        await empty.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(3, metrics.SeriesOf(DiagnosticsKit.Outbound).Opened!.Value);
        Assert.Equal(3, _kit.Text().Split("duration=\"12ms\"").Length - 1);
    }

    [Fact]
    public async Task Table_OpenedAndClosedByManyThreads_IsEmptyOnlyWhenNoneIsLeft()
    {
        using var io = new HboneIo(3);
        var table = new ConnectionTable(new ConnectionLog(_kit.Loggers), null, null, _kit.Time);
        await using var threads = new IoThreads(io);
        var opened = new List<OpenConnection>();
        for (var i = 0; i < 6; i++)
        {
            // Each in turn.
            opened.Add(await threads.RunAsync(() => table.Open(DiagnosticsKit.Outbound, 0)));
        }

        opened.Add(table.Open(DiagnosticsKit.Outbound, 0));
        Assert.Equal(7, table.Count);
        Assert.Equal(opened.ToHashSet(), table.Snapshot().ToHashSet());
        var empty = table.WhenEmptyAsync();
        foreach (var connection in opened.Skip(1).Reverse())
        {
            connection.Close(ResponseFlag.None, null);
        }

        Assert.False(empty.IsCompleted);
        Assert.Equal(1, table.End(ConnectionEnd.Drain, static _ => true));
        await threads.RunAsync(() =>
        {
            opened[0].Close(ResponseFlag.None, null);
            return opened[0];
        });
        await empty.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, table.Count);
        Assert.True(table.WhenEmptyAsync().IsCompleted);
    }

    [Fact]
    [Trait("Reference", "test_connection_manager_close")]
    public void End_FirstCauseStays()
    {
        var table = new ConnectionTable(new ConnectionLog(_kit.Loggers), null, null, _kit.Time);
        var connection = table.Open(DiagnosticsKit.Outbound, 0);
        var other = table.Open(DiagnosticsKit.Outbound, 0);

        Assert.Equal(1, table.End(ConnectionEnd.PolicyChange, candidate => candidate == connection));
        table.End(ConnectionEnd.Drain, _ => true);

        Assert.Equal(ConnectionEnd.PolicyChange, connection.EndedBy);
        Assert.Equal(ConnectionEnd.Drain, other.EndedBy);
        Assert.True(connection.Ended.IsCancellationRequested);
    }

    [Fact]
    public async Task Shutdown_DrainsThenEndsTheGrace()
    {
        var time = new FakeTimeProvider();
        using var shutdown = new Shutdown(TimeSpan.FromSeconds(5), time, NullLogger.Instance);
        var draining = shutdown.WaitForDrainAsync();
        Assert.False(draining.IsCompleted);

        shutdown.Begin("test");
        shutdown.Begin("again");

        await draining.WaitAsync(TimeSpan.FromSeconds(30));
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(shutdown.Deadline.IsCancellationRequested);
        time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.True(shutdown.Deadline.IsCancellationRequested);
    }

    [Theory]
    [InlineData("7f0000001000-7f0000003000 r-xp 00000000 08:01 42 /usr/lib/libc.so.6", true)]
    [InlineData("7f0000001000-7f0000003000 r--p 00000000 08:01 42 /usr/lib/lib with blank.so", true)]
    [InlineData("7f0000001000-7f0000003000 rw-p 00000000 08:01 42 /usr/lib/libc.so.6", false)]
    [InlineData("7f0000001000-7f0000003000 r--s 00000000 08:01 42 /var/data", false)]
    [InlineData("7f0000001000-7f0000003000 r--p 00000000 00:00 0", false)]
    [InlineData("7f0000001000-7f0000003000 r-xp 00000000 00:00 0 [vdso]", false)]
    [InlineData("", false)]
    public void FilePages_TakesPrivateUnwritableMappingsOfFilesOnly(string line, bool taken)
    {
        Assert.Equal(taken, FilePages.TryParse(line, out var from, out var to));
        if (taken)
        {
            Assert.Equal((0x7f0000001000UL, 0x7f0000003000UL), (from, to));
        }
    }

    [SkippableFact]
    public void FilePages_Release_ChangesNothingButWhatIsResident()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && File.Exists("/proc/self/pagemap"), "needs Linux with /proc/self/pagemap");
        var sum = Enumerable.Range(0, 1000).Sum();

        _ = FilePages.Release();

        // Code and tables come back from their files as they were.
        Assert.Equal(sum, Enumerable.Range(0, 1000).Sum());
        Assert.Equal("Ä", System.Text.Encoding.UTF8.GetString("Ä"u8));
    }

    [Fact]
    public void Shutdown_AfterItsEnd_TakesNoHarmFromALateSignal()
    {
        var time = new FakeTimeProvider();
        var shutdown = new Shutdown(TimeSpan.FromSeconds(5), time, NullLogger.Instance);
        shutdown.Dispose();

        shutdown.Begin("late");
        shutdown.Force();

        Assert.False(shutdown.Draining.IsCancellationRequested);
    }

    [Theory]
    [InlineData(10, 5, 5)]
    [InlineData(4, 5, 2)]
    [InlineData(10, 0, 0)]
    public async Task DrainLead_TakesItsTime_AndHalfOfTheGracePeriodAtMost(int grace, int longest, int expected)
    {
        var time = new FakeTimeProvider();
        using var shutdown = new Shutdown(TimeSpan.FromSeconds(grace), time, NullLogger.Instance);
        shutdown.Begin("test");
        Assert.Equal(TimeSpan.FromSeconds(expected), await TimeOfLeadAsync(shutdown, TimeSpan.FromSeconds(longest), static () => true, time));
    }

    [Fact]
    public async Task DrainLead_EndsASecondAfterTheMeshHasLetGo_OrWhenItIsForced()
    {
        var time = new FakeTimeProvider();
        using var shutdown = new Shutdown(TimeSpan.FromMinutes(1), time, NullLogger.Instance);
        shutdown.Begin("test");
        var began = time.GetUtcNow();
        Assert.Equal(TimeSpan.FromSeconds(4), await TimeOfLeadAsync(shutdown, TimeSpan.FromSeconds(20), () => time.GetUtcNow() < began + TimeSpan.FromSeconds(3), time));

        var forced = DrainLead.WaitAsync(shutdown, TimeSpan.FromSeconds(20), static () => true, time);
        shutdown.Force();
        await forced;
    }

    private static async Task<TimeSpan> TimeOfLeadAsync(Shutdown shutdown, TimeSpan longest, Func<bool> isListed, FakeTimeProvider time)
    {
        var from = time.GetUtcNow();
        var looks = 0;
        var lead = DrainLead.WaitAsync(shutdown, longest, () => Interlocked.Increment(ref looks) > 0 && isListed(), time);
        while (!lead.IsCompleted)
        {
            // The clock stands still until it has looked and waits again.
            var seen = Volatile.Read(ref looks);
            time.Advance(TimeSpan.FromMilliseconds(50));
            while (Volatile.Read(ref looks) == seen && !lead.IsCompleted)
            {
                await Task.Delay(1);
            }
        }

        await lead;
        return time.GetUtcNow() - from;
    }

    [Fact]
    public void TimeLimit_WhoseTimerFiresAfterItsEnd_DoesNothing()
    {
        var time = new LateTimers();
        using var other = new CancellationTokenSource();
        var limit = new TimeLimit(TimeSpan.FromSeconds(1), time, other.Token);
        var cancelled = false;
        limit.Token.Register(() => cancelled = true);
        limit.Dispose();

        time.Fire();
        other.Cancel();

        Assert.False(cancelled);
    }

    [Fact]
    public void TimeLimit_TellsTheTimeFromTheOtherToken()
    {
        var time = new FakeTimeProvider();
        using var other = new CancellationTokenSource();
        using var passed = new TimeLimit(TimeSpan.FromSeconds(1), time, CancellationToken.None);
        using var cancelled = new TimeLimit(TimeSpan.FromSeconds(5), time, other.Token);
        time.Advance(TimeSpan.FromSeconds(2));
        other.Cancel();

        Assert.True(passed.HasPassed && passed.Token.IsCancellationRequested);
        Assert.True(!cancelled.HasPassed && cancelled.Token.IsCancellationRequested);
    }

    /// <summary>Timers that fire when the test says so, disposed or not: as one that is under way when it is disposed.</summary>
    private sealed class LateTimers : TimeProvider
    {
        private readonly List<Action> _callbacks = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _callbacks.Add(() => callback(state));
            return new Timer();
        }

        public void Fire() => _callbacks.ForEach(callback => callback());

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
