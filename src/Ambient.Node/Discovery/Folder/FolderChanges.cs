using Ambient.Node.Discovery.Sources;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Says when a folder has settled into something new. The file system's notifications make it quick; comparing stamps
/// at intervals makes it certain, since notifications get lost, do not exist on some mounts, and do not see where a link
/// leads. A version counts as settled when nothing changed for the quiet period: a file that is still being written
/// would read as a mesh with half of its policies.
/// </summary>
internal sealed class FolderChanges : IDisposable
{
    /// <summary>After how many disturbed quiet periods an operator hears about it.</summary>
    private const int PatienceInPeriods = 40;

    private readonly ManifestFolder _folder;
    private readonly DiscoveryOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FileSystemWatcher? _watcher;
    private IReadOnlyList<FileStamp>? _known;
    private string? _reportedFailure;
    private TaskCompletionSource _signal = new();
    private int _touched;

    public FolderChanges(ManifestFolder folder, DiscoveryOptions options, TimeProvider time, ILogger logger)
    {
        _folder = folder;
        _options = options;
        _time = time;
        _logger = logger;
        try
        {
            _watcher = new FileSystemWatcher(folder.Path) { IncludeSubdirectories = true };
            _watcher.Changed += OnEvent;
            _watcher.Created += OnEvent;
            _watcher.Deleted += OnEvent;
            _watcher.Renamed += OnEvent;
            _watcher.Error += (_, _) => Touch();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception e) when (e is IOException or ArgumentException or PlatformNotSupportedException)
        {
            // Out of inotify instances, most often. Comparing at intervals still finds every change.
            DiscoveryLog.CannotWatch(logger, folder.Path, e.Message, options.PollInterval);
            _watcher?.Dispose();
            _watcher = null;
        }
    }

    /// <summary>Waits for the next settled version: at once the first time, then whenever it differs from the one before.</summary>
    public async Task<IReadOnlyList<FileStamp>> NextAsync(CancellationToken cancellationToken)
    {
        var disturbed = 0;
        while (true)
        {
            if (_known is not null && Volatile.Read(ref _touched) == 0)
            {
                await WaitForSignalAsync(_options.PollInterval, cancellationToken).ConfigureAwait(false);
            }

            var notified = Interlocked.Exchange(ref _touched, 0) != 0;
            var before = List();
            if (before is null || (!notified && Same(before, _known)))
            {
                if (before is null)
                {
                    await Task.Delay(_options.PollInterval, _time, cancellationToken).ConfigureAwait(false);
                }

                continue;
            }

            await Task.Delay(_options.QuietPeriod, _time, cancellationToken).ConfigureAwait(false);
            var after = List();
            if (after is not null && Same(before, after) && Volatile.Read(ref _touched) == 0)
            {
                _known = after;
                return after;
            }

            Interlocked.Exchange(ref _touched, 1);
            if (++disturbed == PatienceInPeriods)
            {
                DiscoveryLog.KeepsChanging(_logger, _folder.Path, _options.QuietPeriod);
            }
        }
    }

    /// <summary>Whether the folder is no longer as in <paramref name="files"/>; then <see cref="NextAsync"/> will return again.</summary>
    public bool ChangedSince(IReadOnlyList<FileStamp> files)
    {
        if (Volatile.Read(ref _touched) == 0 && Same(files, List()))
        {
            return false;
        }

        Interlocked.Exchange(ref _touched, 1);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _watcher?.Dispose();

    private static bool Same(IReadOnlyList<FileStamp>? a, IReadOnlyList<FileStamp>? b) => a is not null && b is not null && a.SequenceEqual(b);

    private async Task WaitForSignalAsync(TimeSpan interval, CancellationToken cancellationToken)
    {
        var signal = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _signal, signal);
        if (Volatile.Read(ref _touched) == 0)
        {
            // The interval passes without an exception: whatever throwing runs through, twice a second, is memory of a host at rest.
            await Task.WhenAny(signal.Task, Task.Delay(interval, _time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private IReadOnlyList<FileStamp>? List()
    {
        try
        {
            var files = _folder.List();
            _reportedFailure = null;
            return files;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A folder that is gone is not an empty mesh: policies would vanish with it.
            if (_reportedFailure != e.Message)
            {
                _reportedFailure = e.Message;
                DiscoveryLog.CannotRead(_logger, _folder.Path, e.Message);
            }

            return null;
        }
    }

    private void OnEvent(object sender, FileSystemEventArgs e)
    {
        // Folders and links to them have no ending; other files are none of ours, whoever writes them here.
        if (Path.GetExtension(e.Name) is null or "" || ManifestFolder.IsManifest(e.Name!) || e is RenamedEventArgs
            || Path.GetFileName(e.Name)?.StartsWith('.') == true)
        {
            Touch();
        }
    }

    private void Touch()
    {
        // In this order, as whoever waits looks in the other one.
        Interlocked.Exchange(ref _touched, 1);
        Volatile.Read(ref _signal).TrySetResult();
    }
}
