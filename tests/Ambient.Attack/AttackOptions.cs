namespace Ambient.Attack;

/// <summary>How an attack run goes.</summary>
/// <param name="Host">The ztunnel to attack.</param>
/// <param name="Seconds">How long each attack that has a rate lasts.</param>
/// <param name="QuietSeconds">How long the neighbour is measured before.</param>
/// <param name="MaxResidentMegabytes">The most that may be resident during an attack.</param>
/// <param name="Pin">Whether the host gets a processor of its own and everything else the others.</param>
public sealed record AttackOptions(string Host, int Seconds, int QuietSeconds, int MaxResidentMegabytes, bool Pin)
{
    /// <summary>The waypoint to attack, which is a gateway too: as a rule it lies beside the ztunnel.</summary>
    public string EngineHost { get; init; } = Path.Combine(Path.GetDirectoryName(Host) ?? "", "waypoint");

    /// <summary>Time in which the memory has to be back.</summary>
    public TimeSpan Recovery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most that may be left of what was resident before.</summary>
    public double MaxLeft { get; init; } = 1.5;

    /// <summary>Most that the neighbour's p99 may grow.</summary>
    public double MaxLatencyFactor { get; init; } = 5;
}
