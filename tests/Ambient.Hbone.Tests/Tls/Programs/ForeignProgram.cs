using System.Diagnostics;
using System.Text;

namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>A program of somebody else's TLS: what it is told goes to the peer, what the peer sends is shown. Killed on disposal.</summary>
internal sealed class ForeignProgram : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly StringBuilder _shown = new();
    private readonly Process _process;

    private ForeignProgram(Process process)
    {
        _process = process;
        Collect(process.StandardOutput);
        Collect(process.StandardError);
    }

    /// <summary>Starts it; skips the test where it is not installed.</summary>
    public static ForeignProgram Start(string name, string arguments)
    {
        try
        {
            return new ForeignProgram(Process.Start(new ProcessStartInfo(name, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SkipException($"{name} is not installed");
        }
    }

    /// <summary>Types something. A command is one only at the beginning of what the program reads at once: what is typed behind one has to wait for its effect.</summary>
    public async Task SayAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Ends what is typed.</summary>
    public void Hush() => _process.StandardInput.Close();

    /// <summary>All that it has shown so far.</summary>
    public string Shown
    {
        get
        {
            lock (_shown)
            {
                return _shown.ToString();
            }
        }
    }

    /// <summary>Waits until it has shown something.</summary>
    public async Task WaitForAsync(string text)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            lock (_shown)
            {
                if (_shown.ToString().Contains(text, StringComparison.Ordinal))
                {
                    return;
                }
            }

            try
            {
                await Task.Delay(10, patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"\"{text}\" was not shown, but:\n{_shown}");
            }
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private void Collect(StreamReader reader) => _ = Task.Run(async () =>
    {
        var piece = new char[4096];
        for (int count; (count = await reader.ReadAsync(piece)) > 0;)
        {
            lock (_shown)
            {
                _shown.Append(piece, 0, count);
            }
        }
    });
}
