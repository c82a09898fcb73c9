using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>Endpoints of one priority: one group, or several that have shares. Who is left out is in no group, but counts for how well the tier is.</summary>
internal sealed class EndpointTier
{
    private readonly EndpointGroup[] _groups;
    private readonly WeightedDraw? _shares;

    /// <summary>Makes a tier.</summary>
    /// <param name="groups">Endpoints, all of them, by share.</param>
    /// <param name="settings">How one is chosen.</param>
    /// <param name="panicPercent">With fewer than these left, nobody is left out.</param>
    public EndpointTier(IReadOnlyList<(uint Share, EndpointState[] Endpoints)> groups, BalancerSettings settings, int panicPercent)
    {
        var total = groups.Sum(static group => group.Endpoints.Length);
        var left = groups.Sum(static group => group.Endpoints.Count(static endpoint => !endpoint.IsEjected));
        var isPanic = total > 0 && 100L * left < (long)panicPercent * total;
        Health = total == 0 ? 0 : isPanic ? 100 : Math.Min(100, 140 * left / total);
        var turn = (uint)Random.Shared.Next();
        var usable = groups
            .Select(group => (group.Share, Endpoints: isPanic ? group.Endpoints : [.. group.Endpoints.Where(static endpoint => !endpoint.IsEjected)]))
            .Where(static group => group.Share > 0 && group.Endpoints.Length > 0)
            .ToArray();
        _groups = [.. usable.Select(group => new EndpointGroup(group.Endpoints, settings, turn))];
        _shares = usable.Length > 1 ? new WeightedDraw([.. usable.Select(static group => group.Share)]) : null;
        Health = _groups.Length == 0 ? 0 : Health;
    }

    /// <summary>
    /// How much of the traffic the tier can bear, in percent: Envoy's overprovisioning has it bear all while more than 5 of 7 are left.
    /// </summary>
    public int Health { get; }

    /// <summary>The groups that have endpoints.</summary>
    public ReadOnlySpan<EndpointGroup> Groups => _groups;

    /// <summary>A group, by share.</summary>
    public EndpointGroup Choose(Random random) => _groups[_shares?.Next(random) ?? 0];
}
