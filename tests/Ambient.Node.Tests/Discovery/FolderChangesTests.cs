using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Sources;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery;

public sealed class FolderChangesTests : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("ambient-changes-").FullName;
    private readonly AsyncLocal<bool> _own = new();
    private int _thrown;

    [Fact]
    public async Task Intervals_WithoutAChange_PassWithoutAnException()
    {
        var time = new CountingTime();
        var options = new DiscoveryOptions { ManifestsFolder = _path, PollInterval = TimeSpan.FromMilliseconds(5), QuietPeriod = TimeSpan.FromMilliseconds(5) };
        using var changes = new FolderChanges(new ManifestFolder(_path), options, time, NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        _ = await changes.NextAsync(stop.Token);

        _own.Value = true;
        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            var next = changes.NextAsync(stop.Token);
            await time.WhenCreatedAsync(20);
            Assert.Equal(0, Volatile.Read(ref _thrown));
            Assert.False(next.IsCompleted);

            // Still there: a change is seen, and the end.
            await File.WriteAllTextAsync(Path.Combine(_path, "a.yaml"), "{}");
            Assert.Single(await next.WaitAsync(TimeSpan.FromSeconds(20)));
            var last = changes.NextAsync(stop.Token);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => last);
            Assert.NotEqual(0, Volatile.Read(ref _thrown));
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);

    private void Count(object? sender, FirstChanceExceptionEventArgs e)
    {
        if (_own.Value)
        {
            Interlocked.Increment(ref _thrown);
        }
    }

    /// <summary>The real clock, which counts what is waited for.</summary>
    private sealed class CountingTime : TimeProvider
    {
        private readonly Channel<int> _created = Channel.CreateUnbounded<int>();

        public async Task WhenCreatedAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await _created.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _created.Writer.TryWrite(0);
            return System.CreateTimer(callback, state, dueTime, period);
        }
    }
}
