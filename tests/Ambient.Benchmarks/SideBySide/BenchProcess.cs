using System.Diagnostics;
using System.Globalization;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>A program that runs inside a namespace until it is disposed of. Its output goes to a log file.</summary>
internal sealed class BenchProcess : IAsyncDisposable
{
    // USER_HZ, in which /proc counts CPU time, is 100 on every Linux that .NET runs on.
    private const double TicksPerSecond = 100;

    private readonly Process _process;
    private readonly string _log;

    private BenchProcess(Process process, string name, string log)
    {
        _process = process;
        Name = name;
        _log = log;
    }

    internal string Name { get; }

    internal int Id => _process.Id;

    /// <summary>Starts a program. <c>sh</c> and <c>ip</c> are replaced by it, so the process id is the program's own.</summary>
    internal static BenchProcess Start(string ns, string name, string folder, IReadOnlyDictionary<string, string>? environment, params string[] command)
    {
        var log = Path.Combine(folder, name + ".log");
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec ip netns exec \"$@\" >\"$BENCH_LOG\" 2>&1 </dev/null", "sh", ns, .. command]);
        start.Environment["BENCH_LOG"] = log;
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[key] = value;
        }

        return new BenchProcess(Process.Start(start)!, name, log);
    }

    /// <summary>CPU time so far, user and system, of the process and all its threads.</summary>
    internal TimeSpan Cpu
    {
        get
        {
            // The command name, in brackets, may hold spaces: count from behind it.
            var text = File.ReadAllText($"/proc/{Id}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return TimeSpan.FromSeconds((Number(fields[11]) + Number(fields[12])) / TicksPerSecond);
        }
    }

    /// <summary>Resident memory in bytes.</summary>
    internal double Resident => Status("VmRSS:");

    /// <summary>Private memory in bytes: what it has written, which nobody shares.</summary>
    internal double Private => 1024 * double.Parse(
        File.ReadLines($"/proc/{Id}/smaps_rollup").First(static line => line.StartsWith("Private_Dirty:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    /// <summary>The most that was ever resident, in bytes.</summary>
    internal double ResidentPeak => Status("VmHWM:");

    /// <summary>Waits until a command succeeds, as long as the process lives.</summary>
    internal async Task ReadyAsync(Func<Task> probe, CancellationToken cancellationToken)
    {
        for (var waited = Stopwatch.StartNew(); ;)
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"{Name} ended with code {_process.ExitCode}: {Tail()}");
            }

            try
            {
                await probe();
                return;
            }
            catch (InvalidOperationException e)
            {
                if (waited.Elapsed > TimeSpan.FromSeconds(20))
                {
                    throw new InvalidOperationException($"{Name} is not ready after 20 s: {e.Message}; its log: {Tail()}", e);
                }
            }

            await Task.Delay(100, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await Shell.RunAsync($"kill -TERM {Id}", CancellationToken.None);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(8));
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
            }
        }

        _process.Dispose();
    }

    /// <summary>All that it has written so far.</summary>
    internal Task<string> ReadLogAsync(CancellationToken cancellationToken) => File.ReadAllTextAsync(_log, cancellationToken);

    internal string Tail() => File.Exists(_log) ? string.Join('\n', File.ReadLines(_log).TakeLast(15)) : "(no log)";

    private double Status(string field)
    {
        var line = File.ReadLines($"/proc/{Id}/status").First(l => l.StartsWith(field, StringComparison.Ordinal));
        return Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
