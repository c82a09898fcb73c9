using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>What L4 policy may ask of a connection.</summary>
/// <param name="Source">Address of the peer.</param>
/// <param name="Destination">Address and port on the workload, after port resolution.</param>
/// <param name="Identity">Authenticated identity of the peer, or null.</param>
public readonly record struct ConnectionFacts(IPEndPoint Source, IPEndPoint Destination, SpiffeId? Identity)
{
    /// <summary>Address of the client, where a proxy in front has said it in the PROXY protocol; null: it is the peer's.</summary>
    public IPEndPoint? Remote { get; init; }

    /// <summary>The external authorizer that was asked about the connection and has let it in; null: none.</summary>
    public ExternalAuthorizer? LetInBy { get; init; }
}
