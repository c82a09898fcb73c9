using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>Endpoints of one priority: one group, or several that have shares. Who is left out is in no group, but counts for how well the tier is.</summary>
internal sealed class EndpointTier
{
    private readonly IReadOnlyList<(uint Share, EndpointState[] Endpoints)> _all;
    private readonly BalancerSettings _settings;
    private readonly EndpointGroup[] _groups;
    private readonly WeightedDraw? _shares;

    /// <summary>Makes a tier.</summary>
    /// <param name="groups">Endpoints, all of them, by share.</param>
    /// <param name="settings">How one is chosen.</param>
    /// <param name="panicPercent">With fewer than these left, nobody is left out, where all tiers together cannot bear the traffic.</param>
    /// <param name="overprovisioning">How much of its traffic what is left of a tier or group bears, in percent of its part of the whole.</param>
    public EndpointTier(
        IReadOnlyList<(uint Share, EndpointState[] Endpoints)> groups, BalancerSettings settings, double panicPercent, int overprovisioning = AssignedEndpoints.UsualOverprovisioning)
    {
        (_all, _settings) = (groups, settings);
        Count = groups.Sum(static group => group.Endpoints.Length);
        var left = groups.Sum(static group => group.Endpoints.Count(static endpoint => !endpoint.IsLeftOut));
        IsInPanic = Count > 0 && 100.0 * left / Count < panicPercent;
        Health = Borne(left, Count, overprovisioning);
        var usable = groups
            .Select(group => (group.Share, All: group.Endpoints.Length, Left: group.Endpoints.Where(static endpoint => !endpoint.IsLeftOut).ToArray()))
            .Where(static group => group.Share > 0 && group.Left.Length > 0)
            .Select(group => (Share: Part(group.Share, Borne(group.Left.Length, group.All, overprovisioning)), group.Left))
            .ToArray();
        var turn = (uint)Random.Shared.Next();
        _groups = [.. usable.Select(group => new EndpointGroup(group.Left, settings, turn))];
        _shares = usable.Length > 1 ? new WeightedDraw([.. usable.Select(static group => group.Share)]) : null;
        Health = _groups.Length == 0 ? 0 : Health;
    }

    // Everybody, in one group: whoever is asked in need is asked wherever it is.
    private EndpointTier(EndpointTier tier)
    {
        (_all, _settings, Count, IsInPanic, Health) = (tier._all, tier._settings, tier.Count, true, tier.Health);
        EndpointState[] everybody = [.. tier._all.SelectMany(static group => group.Endpoints)];
        _groups = everybody.Length == 0 ? [] : [new EndpointGroup(everybody, tier._settings, (uint)Random.Shared.Next())];
    }

    /// <summary>
    /// How much of the traffic the tier can bear, in percent: Envoy's overprovisioning has it bear all while more than 5 of 7 are left.
    /// </summary>
    public int Health { get; }

    /// <summary>Endpoints, those that are left out too.</summary>
    public int Count { get; }

    /// <summary>Whether so few are left that all are asked, where other tiers cannot bear the rest.</summary>
    public bool IsInPanic { get; }

    /// <summary>The groups that have endpoints.</summary>
    public ReadOnlySpan<EndpointGroup> Groups => _groups;

    /// <summary>A group, by share.</summary>
    public EndpointGroup Choose(Random random) => _groups[_shares?.Next(random) ?? 0];

    /// <summary>The tier with nobody left out.</summary>
    public EndpointTier WithAll() => new(this);

    private static int Borne(int left, int all, int overprovisioning) => all == 0 ? 0 : (int)Math.Min(100, (long)overprovisioning * left / all);

    /// <summary>What a group gets of the traffic, where it cannot bear its share. In hundredths, so that small shares keep their proportion.</summary>
    private static uint Part(uint share, int borne) => Math.Min(share, uint.MaxValue / 100) * (uint)Math.Max(1, borne);
}
