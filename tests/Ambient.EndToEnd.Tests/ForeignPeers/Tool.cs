using System.Diagnostics;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>A command-line tool, run to its end.</summary>
internal static class Tool
{
    /// <summary>Runs a tool; skips the test where it is not installed.</summary>
    /// <param name="name">Name of the program.</param>
    /// <param name="input">What it reads; its standard input stays open until it ends, so that it waits for answers.</param>
    /// <param name="arguments">Arguments.</param>
    /// <returns>Exit code, and both outputs in one text.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(string name, string input, params string[] arguments)
    {
        var start = new ProcessStartInfo(name, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
        }

        Skip.If(process is null, $"{name} is not installed");
        using (process)
        {
            try
            {
                var output = Task.WhenAll(process!.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
                try
                {
                    await process.StandardInput.WriteAsync(input);
                    await process.StandardInput.FlushAsync();
                }
                catch (IOException)
                {
                    // It has ended already.
                }

                await process.WaitForExitAsync().WaitAsync(HboneHost.Patience);
                return (process.ExitCode, string.Concat(await output.WaitAsync(HboneHost.Patience)));
            }
            finally
            {
                if (!process!.HasExited)
                {
                    process.Kill();
                }
            }
        }
    }
}
