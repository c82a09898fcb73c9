using System.Diagnostics;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>This program once more inside a namespace, which answers a line with a line until its standard input ends.</summary>
internal sealed class Child : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(10);

    private readonly Process _process;

    private Child(Process process) => _process = process;

    /// <summary>Starts it, and waits until it holds.</summary>
    /// <exception cref="InvalidOperationException">It did not come to hold.</exception>
    internal static async Task<Child> StartAsync(string ns, CancellationToken cancellationToken, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", ns, Environment.ProcessPath!, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var child = new Child(Process.Start(start)!);
        if (await child._process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(s_patience, cancellationToken) != HeldChild.Holding)
        {
            await child.DisposeAsync();
            throw new InvalidOperationException($"{arguments[0]} did not start");
        }

        return child;
    }

    /// <summary>Says a line, and reads the figures of the answer.</summary>
    /// <exception cref="InvalidOperationException">The answer is something else; the message is it.</exception>
    internal async Task<long[]> AskAsync(string line, CancellationToken cancellationToken)
    {
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        var answer = await _process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(s_patience, cancellationToken)
            ?? throw new InvalidOperationException($"{line}: the child has ended");
        var words = answer.Split(' ');
        return words.All(static word => long.TryParse(word, out _)) ? [.. words.Select(long.Parse)] : throw new InvalidOperationException($"{line}: {answer}");
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(s_end);
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
