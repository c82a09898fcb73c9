using System.Globalization;

namespace Ambient.Attack;

/// <summary>What one attack did to a host and to its neighbour.</summary>
public sealed record AttackResult
{
    /// <summary>What was done.</summary>
    public required string Name { get; init; }

    /// <summary>Resident before, in MB.</summary>
    public required double Before { get; init; }

    /// <summary>The most that was resident during the attack, in MB.</summary>
    public required double Peak { get; init; }

    /// <summary>The least that was resident afterwards, within the time for it, in MB.</summary>
    public required double After { get; init; }

    /// <summary>Processors that the host used during the attack.</summary>
    public required double Processors { get; init; }

    /// <summary>The neighbour's measurements, quiet and under attack.</summary>
    public required IReadOnlyList<Latency> Latencies { get; init; }

    /// <summary>What the neighbour asked for in vain.</summary>
    public required IReadOnlyList<string> Failures { get; init; }

    /// <summary>What is out of bounds; empty: passed.</summary>
    public required IReadOnlyList<string> Faults { get; init; }

    /// <summary>One line for each bound.</summary>
    public override string ToString()
    {
        var lines = new List<string>
        {
            $"{(Faults.Count == 0 ? "PASS" : "FAIL")}  {Name}",
            string.Create(CultureInfo.InvariantCulture, $"      resident MB: before {Before:0.0}, peak {Peak:0.0}, afterwards {After:0.0}; host CPU {Processors * 100:0} % of a processor"),
        };
        lines.AddRange(Latencies.Select(latency => $"      {latency}"));
        lines.AddRange(Faults.Select(fault => $"      out of bounds: {fault}"));
        return string.Join('\n', lines);
    }
}

/// <summary>How long one kind of request took.</summary>
/// <param name="What">Kind.</param>
/// <param name="Quiet">Its 99th percentile before the attack, in ms.</param>
/// <param name="Attacked">Its 99th percentile during the attack, in ms.</param>
/// <param name="Samples">Requests during the attack.</param>
public sealed record Latency(string What, double Quiet, double Attacked, int Samples)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{What}: p99 {Quiet:0.00} ms quiet, {Attacked:0.00} ms under attack ({Samples} samples)");
}
