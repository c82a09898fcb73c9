using System.Collections.Concurrent;
using System.Diagnostics;
using Ambient.Testing;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>A ztunnel as its own process, in a network namespace or not; its log lines are kept.</summary>
internal sealed class ZtunnelProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly string? _namespace;

    private ZtunnelProcess(Process process, string? ns)
    {
        _process = process;
        _namespace = ns;
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Everything it has logged so far.</summary>
    public string[] Lines => [.. _lines];

    /// <summary>Access log lines so far.</summary>
    public string[] AccessLines => [.. _lines.Where(line => line.Contains("\taccess\t", StringComparison.Ordinal) || line.Contains("\"scope\":\"access\"", StringComparison.Ordinal))];

    public static ZtunnelProcess Start(string? ns, Dictionary<string, string> environment)
    {
        // What the build made next to us: the same configuration, and no ahead-of-time compilation in a test run.
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var binary = Path.Combine(Repository.Root, "artifacts", "bin", "Ztunnel", configuration, "ztunnel");
        Assert.True(File.Exists(binary), $"{binary} is missing: build samples/Ztunnel");

        // A test run in the background of a shell ignores SIGINT, and so would what it starts: a terminal's ztunnel does not.
        string[] own = ["env", "--default-signal=INT", binary, "proxy", "ztunnel"];
        string[] command = ns is null ? own : ["ip", "netns", "exec", ns, .. own];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["DOTNET_TieredPGO"] = "0";
        var process = Process.Start(start)!;
        var ztunnel = new ZtunnelProcess(process, ns);
        process.ErrorDataReceived += (_, line) => ztunnel.Keep(line.Data);
        process.OutputDataReceived += (_, line) => ztunnel.Keep(line.Data);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return ztunnel;
    }

    /// <summary>Waits until it says that it is ready.</summary>
    public Task ReadyAsync() => WaitForLineAsync("started after");

    /// <summary>Waits for a line that contains a text.</summary>
    public Task<string> WaitForLineAsync(string text) => WaitForLineAsync(line => line.Contains(text, StringComparison.Ordinal), text);

    /// <summary>Waits for a line.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> condition, string what)
    {
        var from = Stopwatch.GetTimestamp();
        while (true)
        {
            if (_lines.FirstOrDefault(condition) is { } found)
            {
                return found;
            }

            if (_process.HasExited)
            {
                // Its last lines may still be on their way.
                await _process.WaitForExitAsync().WaitAsync(Patience);
                Assert.True(_lines.Any(condition), $"ztunnel ended without \"{what}\":\n{Log}");
            }

            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, $"no \"{what}\" within {Patience}:\n{Log}");
            await Task.Delay(50);
        }
    }

    /// <summary>Waits until so many access lines are there.</summary>
    public async Task<string[]> WaitForAccessLinesAsync(int count)
    {
        var from = Stopwatch.GetTimestamp();
        while (AccessLines.Length < count)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, $"{AccessLines.Length} access lines, not {count}, within {Patience}:\n{Log}");
            await Task.Delay(50);
        }

        return AccessLines;
    }

    /// <summary>Fetches from one of its HTTP ports, from inside its namespace.</summary>
    public Task<string> GetAsync(int port, string path, string more = "") =>
        Command.ShellAsync($"{(_namespace is null ? "" : $"ip netns exec {_namespace} ")}curl -s --max-time 20 {more} http://127.0.0.1:{port}{path}");

    /// <summary>Waits until it has ended by itself. Returns the exit code.</summary>
    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>Asks it to end, and waits. Returns the exit code.</summary>
    public async Task<int> StopAsync(string signal = "TERM")
    {
        if (!_process.HasExited)
        {
            await Command.ShellAsync($"kill -{signal} {_process.Id}");
        }

        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private string Log => string.Join('\n', _lines);

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _lines.Enqueue(line);
        }
    }
}
