using System.Diagnostics;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>This program once more, inside a namespace, holding something until its standard input ends.</summary>
internal static class HeldChild
{
    /// <summary>What it prints when it holds.</summary>
    internal const string Holding = "holding";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Runs <paramref name="measure"/> while the child holds.</summary>
    /// <exception cref="InvalidOperationException">It did not come to hold; the message is what it said.</exception>
    internal static async Task<T> WhileAsync<T>(string ns, string[] arguments, Func<Task<T>> measure, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", ns, Environment.ProcessPath!, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            if (await process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(Patience, cancellationToken) != Holding)
            {
                throw new InvalidOperationException($"{string.Join(' ', arguments)}: {await process.StandardError.ReadToEndAsync(cancellationToken)}");
            }

            return await measure();
        }
        finally
        {
            process.StandardInput.Close();
            if (!process.WaitForExit(TimeSpan.FromSeconds(10)))
            {
                process.Kill();
            }
        }
    }
}
