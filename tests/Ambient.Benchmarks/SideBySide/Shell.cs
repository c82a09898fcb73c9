using System.Diagnostics;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Runs programs that end by themselves.</summary>
internal static class Shell
{
    /// <summary>Runs a program and gives what it wrote.</summary>
    /// <exception cref="InvalidOperationException">It failed or took too long; the message holds what it said.</exception>
    internal static async Task<string> RunAsync(TimeSpan timeout, CancellationToken cancellationToken, params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            cancellationToken.ThrowIfCancellationRequested();
            throw new InvalidOperationException($"{string.Join(' ', command)}: not done within {timeout.TotalSeconds} s");
        }

        var said = await output;
        return process.ExitCode == 0
            ? said
            : throw new InvalidOperationException($"{string.Join(' ', command)}: exit code {process.ExitCode}: {(await error).Trim()} {said.Trim()}");
    }

    /// <summary>Runs a line of arguments without quoting.</summary>
    internal static Task<string> RunAsync(string line, CancellationToken cancellationToken) =>
        RunAsync(TimeSpan.FromSeconds(30), cancellationToken, line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
