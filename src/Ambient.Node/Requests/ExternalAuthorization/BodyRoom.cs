using Ambient.Hbone.Admission;
using Ambient.Node.Connections;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What one body takes of the room that bodies have: as much as has come of it.</summary>
internal sealed class BodyRoom(FairShare<AddressKey> share, AddressKey address)
{
    private long _taken;

    /// <summary>Takes room for more of it; false: there is none.</summary>
    public bool TryTake(int bytes)
    {
        if (!share.TryTake(address, bytes))
        {
            return false;
        }

        Interlocked.Add(ref _taken, bytes);
        return true;
    }

    /// <summary>Gives all of it back. Any number of times.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref _taken, 0) is > 0 and var taken)
        {
            share.Give(address, taken);
        }
    }
}
