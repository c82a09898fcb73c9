namespace Ambient.Mesh;

/// <summary>
/// What is said of a workload as an endpoint of one port of a service, where it is anything but the usual: healthy, of the workload's own weight, and before
/// nobody. It holds there alone: the same workload may be another endpoint of another service, port or subset.
/// </summary>
/// <param name="Port">Port of the service; 0: every one.</param>
/// <param name="Subset">Subset of the service's endpoints; null: all of them, and every subset that has no word of its own.</param>
public sealed record EndpointShare(int Port, string? Subset)
{
    /// <summary>Its share among the endpoints; 0 receives nothing. Null: the workload's own.</summary>
    public uint? Weight { get; init; }

    /// <summary>Whether it may receive anything. One that may not counts all the same for how well the rest of them bear the traffic.</summary>
    public bool IsHealthy { get; init; } = true;

    /// <summary>Those of a smaller number go first.</summary>
    public int Priority { get; init; }

    /// <summary>The locality that it is counted to, where localities have shares.</summary>
    public Locality Locality { get; init; } = Locality.Empty;

    /// <summary>Share of that locality among those of the same priority; 0: it has none.</summary>
    public uint LocalityWeight { get; init; }
}
