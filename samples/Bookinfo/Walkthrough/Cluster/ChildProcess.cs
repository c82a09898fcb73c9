using System.Diagnostics;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>
/// A process of the walkthrough: its log goes to a file and stays readable here. Whoever starts it disposes it, which
/// ends it by its id: politely first, then not.
/// </summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int KeptLines = 20_000;

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly List<string> _lines = [];
    private readonly Lock _lock = new();
    private readonly Task _reading;
    private long _dropped;

    private ChildProcess(string name, string logFile, Process process)
    {
        Name = name;
        LogFile = logFile;
        _process = process;
        Id = process.Id;
        _log = new StreamWriter(logFile, append: true) { AutoFlush = true };
        _reading = Task.WhenAll(ReadAsync(process.StandardError), ReadAsync(process.StandardOutput));
    }

    /// <summary>What the process is, for people: <c>ztunnel-node-a</c>, <c>reviews-v1-0</c>.</summary>
    public string Name { get; }

    /// <summary>Process id.</summary>
    public int Id { get; }

    /// <summary>Where its log is kept.</summary>
    public string LogFile { get; }

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Starts a program with its variables added to this process's own.</summary>
    public static ChildProcess Start(
        string name, string logFolder, string program, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            // Nobody types into a server: without this the keys pressed during --keep would be theirs.
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        process.StandardInput.Close();
        return new ChildProcess(name, Path.Combine(logFolder, $"{name}.log"), process);
    }

    /// <summary>A place in the log: what is written from now on.</summary>
    public long Mark()
    {
        lock (_lock)
        {
            return _dropped + _lines.Count;
        }
    }

    /// <summary>Lines written since a mark.</summary>
    public IReadOnlyList<string> Since(long mark)
    {
        lock (_lock)
        {
            return _lines[(int)Math.Clamp(mark - _dropped, 0, _lines.Count)..];
        }
    }

    /// <summary>The end of the log, for the report of a failure.</summary>
    public string LastLine()
    {
        lock (_lock)
        {
            return _lines.Count == 0 ? "(nothing logged)" : _lines[^1];
        }
    }

    /// <summary>Exit code in words.</summary>
    public string DescribeExit() => _process.HasExited
        ? _process.ExitCode > 128 ? $"killed by signal {_process.ExitCode - 128}" : $"exit code {_process.ExitCode}"
        : "still running";

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                _log.WriteLine(line);
                _lines.Add(line);
                if (_lines.Count > KeptLines)
                {
                    _lines.RemoveRange(0, KeptLines / 2);
                    _dropped += KeptLines / 2;
                }
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            ProcessSignals.Terminate(Id);
            try
            {
                await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(8));
            }
            catch (TimeoutException)
            {
                _process.Kill();
                await _process.WaitForExitAsync(CancellationToken.None);
            }
        }

        // The pipes close with the process; a grandchild that kept them must not keep us.
        await Task.WhenAny(_reading, Task.Delay(TimeSpan.FromSeconds(2)));
        lock (_lock)
        {
            _log.Dispose();
        }

        _process.Dispose();
    }
}
