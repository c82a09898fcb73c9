using System.Diagnostics;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>Runs small tools (ip, iptables, sysctl) and shows what they said when they fail.</summary>
internal static class Command
{
    public static async Task<string> RunAsync(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"{string.Join(' ', command)}: exit code {process.ExitCode}: {await error}{await output}");
    }

    public static Task<string> ShellAsync(string command) => RunAsync("sh", "-c", command);
}
