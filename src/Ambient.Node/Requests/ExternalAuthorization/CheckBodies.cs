using System.Net;
using Ambient.Hbone.Admission;
using Ambient.Node.Connections;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>Room for the bodies that are held for questions, which addresses share (<see cref="FairShare{TKey}"/>). Thread-safe.</summary>
/// <param name="most">Bytes in all.</param>
internal sealed class CheckBodies(long most)
{
    private readonly FairShare<AddressKey> _share = new(most);

    /// <summary>Bytes that are held now.</summary>
    public long Held => _share.Held;

    /// <summary>Room for one body.</summary>
    /// <param name="address">Who sends it.</param>
    public BodyRoom For(IPAddress address) => new(_share, AddressKey.Of(address));
}
