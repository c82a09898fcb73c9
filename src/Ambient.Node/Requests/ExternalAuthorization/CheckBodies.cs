using System.Net;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>
/// Room for the bodies that are held for questions. An address may hold as much as nobody holds: one alone gets half of the room, and whoever comes next
/// finds some, however many hold what they can. Thread-safe.
/// </summary>
/// <param name="most">Bytes in all.</param>
internal sealed class CheckBodies(long most)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<AddressKey, long> _byAddress = [];
    private long _held;

    /// <summary>Bytes that are held now.</summary>
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

    /// <summary>Room for one body.</summary>
    /// <param name="address">Who sends it.</param>
    public BodyRoom For(IPAddress address) => new(this, AddressKey.Of(address));

    /// <summary>Takes room; false: there is none left, or the address has its share.</summary>
    internal bool TryTake(AddressKey address, int bytes)
    {
        lock (_gate)
        {
            var own = _byAddress.GetValueOrDefault(address);
            if (own + bytes > most - _held)
            {
                return false;
            }

            _held += bytes;
            _byAddress[address] = own + bytes;
            return true;
        }
    }

    /// <summary>Gives room back.</summary>
    internal void Give(AddressKey address, long bytes)
    {
        lock (_gate)
        {
            _held -= bytes;
            var left = _byAddress.GetValueOrDefault(address) - bytes;
            if (left > 0)
            {
                _byAddress[address] = left;
            }
            else
            {
                _byAddress.Remove(address);
            }
        }
    }
}
