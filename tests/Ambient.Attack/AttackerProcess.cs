using System.Diagnostics;
using System.Globalization;

namespace Ambient.Attack;

/// <summary>The process that attacks, as whoever measures sees it.</summary>
internal sealed class AttackerProcess : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);
    private readonly Process _process;
    private readonly TimeSpan _time;

    private AttackerProcess(Process process, TimeSpan time)
    {
        _process = process;
        _time = time;
    }

    /// <summary>Starts one that waits to be told to begin.</summary>
    /// <param name="number">Counted from 1.</param>
    /// <param name="host">Who is attacked.</param>
    /// <param name="options">How long, and on which processors.</param>
    public static async Task<AttackerProcess> StartAsync(int number, TargetHost host, AttackOptions options)
    {
        string[] command =
        [
            .. options.Pin ? (string[])["taskset", "-c", $"1-{Environment.ProcessorCount - 1}"] : [],
            "dotnet", Path.Combine(AppContext.BaseDirectory, "Ambient.Attack.dll"), Attacker.Verb,
            number.ToString(CultureInfo.InvariantCulture), host.AuthorityFolder, options.Seconds.ToString(CultureInfo.InvariantCulture),
            .. host.Target is { } target ? (string[])[target.ToString()] : [],
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var attacker = new AttackerProcess(Process.Start(start)!, TimeSpan.FromSeconds(options.Seconds));
        try
        {
            var said = await attacker._process.StandardOutput.ReadLineAsync().WaitAsync(s_patience);
            return said == Attacker.Ready ? attacker : throw new InvalidOperationException($"the attacker did not start: {said}");
        }
        catch
        {
            attacker.Dispose();
            throw;
        }
    }

    /// <summary>Attacks until it has ended by itself.</summary>
    public async Task AttackAsync()
    {
        await _process.StandardInput.WriteLineAsync();
        await _process.StandardInput.FlushAsync();
        await _process.WaitForExitAsync().WaitAsync(_time + s_patience);
        if (_process.ExitCode != 0)
        {
            throw new InvalidOperationException($"the attacker ended with {_process.ExitCode}");
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
