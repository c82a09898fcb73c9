using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>The endpoints of a backend as they are at one moment, ready to be chosen from. Made anew when they change, are left out or come back.</summary>
internal sealed class EndpointSet
{
    // As Envoy: a try that meets only endpoints which failed before looks no further by chance.
    private const int MaxDraws = 5;

    private readonly EndpointTier[] _tiers;
    private readonly int[] _loads;
    private readonly TimeProvider _time;
    private readonly bool _hashes;
    private readonly Dictionary<IPEndPoint, EndpointState> _byAddress = [];

    /// <summary>Makes a set.</summary>
    /// <param name="tiers">Endpoints by priority, the first first.</param>
    /// <param name="settings">How one is chosen.</param>
    /// <param name="time">Clock.</param>
    public EndpointSet(EndpointTier[] tiers, BalancerSettings settings, TimeProvider time)
    {
        (_time, _hashes) = (time, settings.ConsistentHash is not null);
        (_tiers, _loads) = InNeed(tiers);
        foreach (var tier in _tiers)
        {
            foreach (var group in tier.Groups)
            {
                foreach (var endpoint in group.Endpoints)
                {
                    _byAddress.TryAdd(endpoint.Address, endpoint);
                }
            }
        }
    }

    /// <summary>Whether nobody can be chosen.</summary>
    public bool IsEmpty => _loads.Length == 0 || _loads[^1] == 0;

    /// <summary>The one of an address; null: nobody has it, or it is left out.</summary>
    public EndpointState? Find(IPEndPoint address) => _byAddress.GetValueOrDefault(address);

    /// <summary>One of those of an address, whatever the port; null: nobody has it.</summary>
    public EndpointState? Find(IPAddress address)
    {
        foreach (var (own, endpoint) in _byAddress)
        {
            if (own.Address.Equals(address))
            {
                return endpoint;
            }
        }

        return null;
    }

    /// <summary>An endpoint, not one of those that failed while there is another; null: there is none.</summary>
    /// <param name="hash">What the request hashes to; null: nothing.</param>
    /// <param name="failed">Workloads that earlier tries could not reach. Where hashes decide they decide again: the request belongs there.</param>
    /// <param name="random">Draws.</param>
    /// <param name="elsewhere">Whether tries after the first go to priorities that none of the failed is of, while there are any.</param>
    public EndpointState? Choose(ulong? hash, IReadOnlyList<Workload> failed, Random random, bool elsewhere = false)
    {
        if (IsEmpty)
        {
            return null;
        }

        if (elsewhere && failed.Count > 0 && Untried(failed) is { } untried)
        {
            return untried.Choose(random).Choose(null, true, random, _time);
        }

        var tier = _tiers[TierOf(hash, random)];
        var chosen = tier.Choose(random).Choose(hash, failed.Count > 0, random, _time);
        if (failed.Count == 0 || (_hashes && hash is not null))
        {
            return chosen;
        }

        for (var draw = 1; draw < MaxDraws && EndpointGroup.Contains(failed, chosen.Workload); draw++)
        {
            chosen = tier.Choose(random).Choose(null, true, random, _time);
        }

        return EndpointGroup.Contains(failed, chosen.Workload) ? Other(failed, random) ?? chosen : chosen;
    }

    /// <summary>The nearest tier that has endpoints, and none of those that failed.</summary>
    private EndpointTier? Untried(IReadOnlyList<Workload> failed)
    {
        foreach (var tier in _tiers)
        {
            if (!tier.Groups.IsEmpty && !HasAny(tier, failed))
            {
                return tier;
            }
        }

        return null;

        static bool HasAny(EndpointTier tier, IReadOnlyList<Workload> failed)
        {
            foreach (var group in tier.Groups)
            {
                foreach (var endpoint in group.Endpoints)
                {
                    if (EndpointGroup.Contains(failed, endpoint.Workload))
                    {
                        return true;
                    }
                }
            }

            return false;
        }
    }

    private EndpointState? Other(IReadOnlyList<Workload> failed, Random random)
    {
        foreach (var tier in _tiers)
        {
            foreach (var group in tier.Groups)
            {
                if (group.Other(failed, random) is { } other)
                {
                    return other;
                }
            }
        }

        return null;
    }

    private int TierOf(ulong? hash, Random random)
    {
        if (_loads[0] == _loads[^1])
        {
            return 0;
        }

        // What hashes to a place must go to the same priority each time.
        var draw = hash is { } value && _hashes ? (int)(RequestHash.Mix(value) % (ulong)_loads[^1]) : random.Next(_loads[^1]);
        var tier = 0;
        while (draw >= _loads[tier])
        {
            tier++;
        }

        return tier;
    }

    /// <summary>
    /// Where all tiers together cannot bear the traffic, those in panic ask everybody; where all of them are, each gets by how many it has, healthy or not.
    /// </summary>
    private static (EndpointTier[] Tiers, int[] Loads) InNeed(EndpointTier[] tiers)
    {
        if (tiers.Sum(static tier => tier.Health) >= 100 || !tiers.Any(static tier => tier.IsInPanic))
        {
            return (tiers, LoadsOf(tiers));
        }

        EndpointTier[] asked = [.. tiers.Select(static tier => tier.IsInPanic ? tier.WithAll() : tier)];
        if (!tiers.All(static tier => tier.IsInPanic || tier.Count == 0))
        {
            return (asked, LoadsOf(asked));
        }

        var (loads, sum) = (new int[asked.Length], 0);
        for (var i = 0; i < asked.Length; i++)
        {
            loads[i] = sum += asked[i].Count;
        }

        return (asked, loads);
    }

    /// <summary>Sums of what each tier gets: as much as it can bear of what those before it cannot, more where all together cannot bear it.</summary>
    private static int[] LoadsOf(EndpointTier[] tiers)
    {
        var all = tiers.Sum(static tier => tier.Health);
        var loads = new int[tiers.Length];
        var sum = 0;
        for (var i = 0; i < tiers.Length; i++)
        {
            sum = all <= 100 ? sum + tiers[i].Health : Math.Min(100, sum + tiers[i].Health);
            loads[i] = sum;
        }

        return loads;
    }
}
