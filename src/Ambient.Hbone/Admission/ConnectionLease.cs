using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Admission;

/// <summary>The place of one open connection in a <see cref="ConnectionBudget"/>. Disposing of it, any number of times, gives the place back.</summary>
public sealed class ConnectionLease : IDisposable
{
    private readonly ConnectionBudget _budget;
    private readonly AddressKey _key;
    private int _closed;

    internal ConnectionLease(ConnectionBudget budget, AddressKey key, IPAddress address)
    {
        _budget = budget;
        _key = key;
        Address = address;
    }

    /// <summary>The peer's address.</summary>
    public IPAddress Address { get; }

    internal IdentityBudget? Identity { get; private set; }

    /// <summary>What the connection holds for its identity; null before that is known.</summary>
    internal BufferShare? Buffers { get; private set; }

    /// <summary>Counts the connection for an identity too, once it is known. To be called at most once.</summary>
    /// <returns>False when that identity has as many connections as it may have: close the connection.</returns>
    public bool TryIdentify(SpiffeId identity)
    {
        ArgumentNullException.ThrowIfNull(identity);
        Identity = _budget.TryIdentify(identity);
        Buffers = Identity is null ? null : new BufferShare(Identity);
        return Identity is not null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            Buffers?.End();
            _budget.Close(_key, Identity);
        }
    }
}
