using System.Net;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>Which endpoint a hash belongs to. Made anew when endpoints change, so that a lookup reads alone.</summary>
internal abstract class HashTable
{
    /// <summary>Index of the endpoint.</summary>
    public abstract int Find(ulong hash);

    /// <summary>A ring, or Maglev's table.</summary>
    /// <param name="isMaglev">Which.</param>
    /// <param name="size">Entries; of a ring the fewest.</param>
    /// <param name="endpoints">Endpoints, at least one.</param>
    public static HashTable Of(bool isMaglev, int size, EndpointState[] endpoints) => isMaglev ? new MaglevTable(size, endpoints) : new RingTable(size, endpoints);

    /// <summary>What stands for an endpoint: its address, which a pod of the same name does not inherit.</summary>
    private protected static ulong HashOf(IPEndPoint address) => RequestHash.Mix(RequestHash.Of(address.Address) ^ (ulong)address.Port);
}

/// <summary>
/// Points on a ring, each endpoint's number by its weight; a hash belongs to the next one. When an endpoint leaves, only what was its own moves.
/// </summary>
internal sealed class RingTable : HashTable
{
    // More than a million points are memory for nothing: shares are exact to a few per cent with a hundred points an endpoint.
    private const int Most = 1 << 20;

    private readonly ulong[] _points;
    private readonly int[] _owners;

    /// <summary>Makes the ring.</summary>
    public RingTable(int fewest, EndpointState[] endpoints)
    {
        var lightest = endpoints.Min(static endpoint => Math.Max(1, endpoint.Weight));
        var total = endpoints.Sum(static endpoint => (double)Math.Max(1, endpoint.Weight)) / lightest;

        // The lightest has as many points as make the ring large enough, the others in proportion.
        var each = Math.Max(1, Math.Min(Math.Ceiling(fewest / total), Math.Floor(Most / total)));
        var points = new List<ulong>();
        var owners = new List<int>();
        for (var i = 0; i < endpoints.Length && points.Count < Most; i++)
        {
            var own = HashOf(endpoints[i].Address);
            var count = Math.Max(1, (int)Math.Round(each * Math.Max(1, endpoints[i].Weight) / lightest));
            for (var k = 0; k < count && points.Count < Most; k++)
            {
                points.Add(RequestHash.Mix(own + ((ulong)k * 0x9e3779b97f4a7c15)));
                owners.Add(i);
            }
        }

        (_points, _owners) = ([.. points], [.. owners]);
        Array.Sort(_points, _owners);
    }

    /// <summary>Points on the ring.</summary>
    public int Size => _points.Length;

    /// <inheritdoc/>
    public override int Find(ulong hash)
    {
        var at = Array.BinarySearch(_points, hash);
        at = at < 0 ? ~at : at;
        return _owners[at == _points.Length ? 0 : at];
    }
}

/// <summary>
/// Maglev's table (https://research.google/pubs/maglev-a-fast-and-reliable-software-network-load-balancer/, section 3.4): endpoints take turns, each
/// taking the next place of its own order that is free. Shares are all but equal, and little moves when an endpoint leaves.
/// </summary>
internal sealed class MaglevTable : HashTable
{
    private readonly int[] _owners;

    /// <summary>Makes the table.</summary>
    public MaglevTable(int size, EndpointState[] endpoints)
    {
        _owners = new int[size];
        Array.Fill(_owners, -1);
        var heaviest = endpoints.Max(static endpoint => Math.Max(1, endpoint.Weight));
        var next = new long[endpoints.Length];
        var steps = new long[endpoints.Length];
        var credit = new double[endpoints.Length];
        for (var i = 0; i < endpoints.Length; i++)
        {
            var own = HashOf(endpoints[i].Address);
            next[i] = (long)(own % (ulong)size);
            steps[i] = size == 1 ? 0 : (long)((RequestHash.Mix(own) % (ulong)(size - 1)) + 1);
        }

        for (var filled = 0; filled < size;)
        {
            for (var i = 0; i < endpoints.Length && filled < size; i++)
            {
                // A turn each for the heaviest; the others have theirs when they have saved one up.
                credit[i] += (double)Math.Max(1, endpoints[i].Weight) / heaviest;
                if (credit[i] < 1)
                {
                    continue;
                }

                credit[i]--;
                while (_owners[next[i]] >= 0)
                {
                    next[i] = (next[i] + steps[i]) % size;
                }

                _owners[next[i]] = i;
                filled++;
            }
        }
    }

    /// <inheritdoc/>
    public override int Find(ulong hash) => _owners[hash % (ulong)_owners.Length];
}
