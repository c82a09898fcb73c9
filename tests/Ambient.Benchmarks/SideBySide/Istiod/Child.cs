using System.Diagnostics;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>This program once more inside a namespace, which answers a line with a line until its standard input ends.</summary>
internal sealed class Child : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private bool _isEnded;

    private Child(Process process) => _process = process;

    /// <summary>Starts it, and waits until it holds.</summary>
    /// <param name="ns">The namespace.</param>
    /// <param name="isElsewhere">It stands for what has a machine of its own: it takes no processor that somebody else wants.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <exception cref="InvalidOperationException">It did not come to hold.</exception>
    internal static async Task<Child> StartAsync(string ns, bool isElsewhere, CancellationToken cancellationToken, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", ns, "nice", "-n", isElsewhere ? "19" : "0", Environment.ProcessPath!, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true };
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
        if (_isEnded)
        {
            return;
        }

        _isEnded = true;
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
