namespace Ambient.Node.Connections;

/// <summary>
/// Room that many share, of whom any may want all of it. One may hold as much as nobody holds: one alone gets half of the room, and whoever comes next finds
/// some, however many hold what they can. Thread-safe.
/// </summary>
/// <typeparam name="TKey">Who holds.</typeparam>
/// <param name="most">How much there is.</param>
internal sealed class FairShare<TKey>(long most)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, long> _byKey = [];
    private long _held;

    /// <summary>How much is held now.</summary>
    public long Held
    {
        get
        {
            lock (_gate)
            {
                return _held;
            }
        }
    }

    /// <summary>Takes room; false: there is none left, or this one has its share.</summary>
    public bool TryTake(TKey key, long amount)
    {
        lock (_gate)
        {
            var own = _byKey.GetValueOrDefault(key);
            if (own + amount > most - _held)
            {
                return false;
            }

            _held += amount;
            _byKey[key] = own + amount;
            return true;
        }
    }

    /// <summary>Gives room back.</summary>
    public void Give(TKey key, long amount)
    {
        lock (_gate)
        {
            _held -= amount;
            var left = _byKey.GetValueOrDefault(key) - amount;
            if (left > 0)
            {
                _byKey[key] = left;
            }
            else
            {
                _byKey.Remove(key);
            }
        }
    }
}
