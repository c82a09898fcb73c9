using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>Endpoints that are equally near, of which one is chosen. Immutable but for the turn of round robin; a choice costs the same however many there are.</summary>
internal sealed class EndpointGroup
{
    // A schedule of turns longer than this is not worth its memory; then turns are drawn.
    private const int LongestSchedule = 4096;

    private const int WarmupDraws = 8;

    private readonly EndpointState[] _endpoints;
    private readonly BalancerSettings _settings;
    private readonly WeightedDraw? _weighted;
    private readonly HashTable? _hashes;
    private readonly int[]? _schedule;
    private uint _turn;

    /// <summary>Makes a group.</summary>
    /// <param name="endpoints">Endpoints, at least one.</param>
    /// <param name="settings">How one is chosen.</param>
    /// <param name="firstTurn">Whose turn is first: not the same one's at every node, and not the first's again after each change.</param>
    public EndpointGroup(EndpointState[] endpoints, BalancerSettings settings, uint firstTurn)
    {
        (_endpoints, _settings, _turn) = (endpoints, settings, firstTurn);
        var isEven = endpoints.All(endpoint => endpoint.Weight == endpoints[0].Weight);
        _weighted = isEven ? null : new WeightedDraw([.. endpoints.Select(static endpoint => endpoint.Weight)]);
        _hashes = settings.ConsistentHash is { } hash ? HashTable.Of(hash.IsMaglev, hash.TableSize, endpoints) : null;
        _schedule = settings is { Algorithm: BalancerAlgorithm.RoundRobin, ConsistentHash: null } && !isEven ? Schedule(endpoints) : null;
    }

    /// <summary>How many there are.</summary>
    public int Count => _endpoints.Length;

    /// <summary>The endpoints.</summary>
    public ReadOnlySpan<EndpointState> Endpoints => _endpoints;

    /// <summary>One of them.</summary>
    /// <param name="hash">What the request hashes to; null: nothing, or it is not asked.</param>
    /// <param name="isRetry">Whether others failed: then least-request would go to them again, as they have little to do.</param>
    /// <param name="random">Draws.</param>
    /// <param name="time">Clock, for those that warm up.</param>
    public EndpointState Choose(ulong? hash, bool isRetry, Random random, TimeProvider time)
    {
        if (_hashes is not null && hash is { } value)
        {
            return _endpoints[_hashes.Find(value)];
        }

        if (_endpoints.Length == 1)
        {
            return _endpoints[0];
        }

        var chosen = Draw(isRetry, random);
        if (_settings.Warmup is { } warmup)
        {
            // To be passed over with a probability is to have the share that is left of it.
            for (var draw = 1; draw < WarmupDraws && random.NextDouble() >= ShareOf(chosen, warmup, time); draw++)
            {
                chosen = Draw(isRetry, random);
            }
        }

        return chosen;
    }

    /// <summary>One that is not among those that failed, where there is any; looked for one by one, as tries that failed are few.</summary>
    public EndpointState? Other(IReadOnlyList<Workload> failed, Random random)
    {
        var start = random.Next(_endpoints.Length);
        for (var i = 0; i < _endpoints.Length; i++)
        {
            var endpoint = _endpoints[(start + i) % _endpoints.Length];
            if (!Contains(failed, endpoint.Workload))
            {
                return endpoint;
            }
        }

        return null;
    }

    /// <summary>Whether a workload is among those that failed.</summary>
    public static bool Contains(IReadOnlyList<Workload> failed, Workload workload)
    {
        for (var i = 0; i < failed.Count; i++)
        {
            if (ReferenceEquals(failed[i], workload) || failed[i].Uid == workload.Uid)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The share of its own that an endpoint has while it warms up, 0 to 1.</summary>
    internal static double ShareOf(EndpointState endpoint, Warmup warmup, TimeProvider time)
    {
        if (endpoint.Joined == 0)
        {
            return 1;
        }

        var part = time.GetElapsedTime(endpoint.Joined) / warmup.Duration;
        return part >= 1 ? 1 : Math.Max(warmup.MinimumPercent / 100, Math.Pow(part, 1 / warmup.Aggression));
    }

    private EndpointState Draw(bool isRetry, Random random)
    {
        if (_settings.Algorithm == BalancerAlgorithm.RoundRobin && _hashes is null)
        {
            var turn = Interlocked.Increment(ref _turn);
            return _schedule is { } schedule ? _endpoints[schedule[turn % schedule.Length]]
                : _weighted is null ? _endpoints[turn % _endpoints.Length]
                : _endpoints[_weighted.Next(random)];
        }

        var first = Next(random);
        if (_settings.Algorithm != BalancerAlgorithm.LeastRequest || _hashes is not null || isRetry)
        {
            return first;
        }

        // Draws are by weight already, so each is compared by what it has to do.
        var second = Next(random);
        return second.Active < first.Active ? second : first;
    }

    private EndpointState Next(Random random) => _endpoints[_weighted?.Next(random) ?? random.Next(_endpoints.Length)];

    /// <summary>Turns in proportion to the weights, those of each spread over the whole; null where they would be too many.</summary>
    private static int[]? Schedule(EndpointState[] endpoints)
    {
        var divisor = endpoints.Aggregate(0u, static (divisor, endpoint) => Divisor(divisor, endpoint.Weight));
        var length = endpoints.Sum(endpoint => (long)(endpoint.Weight / divisor));
        if (length > LongestSchedule || length * endpoints.Length > LongestSchedule * 256L)
        {
            return null;
        }

        var schedule = new int[length];
        var credit = new long[endpoints.Length];
        for (var turn = 0; turn < schedule.Length; turn++)
        {
            var best = 0;
            for (var i = 0; i < endpoints.Length; i++)
            {
                credit[i] += endpoints[i].Weight / divisor;
                best = credit[i] > credit[best] ? i : best;
            }

            credit[best] -= length;
            schedule[turn] = best;
        }

        return schedule;
    }

    private static uint Divisor(uint a, uint b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
