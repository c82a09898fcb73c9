using System.Net;
using System.Security.Claims;
using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Member;

/// <summary>An inner connection of the application, and who is at its other end.</summary>
internal sealed class MemberConnection(HboneConnect connect, IPEndPoint destination) : IHboneConnectionFeature
{
    private ClaimsPrincipal? _user;

    /// <inheritdoc/>
    public SpiffeId PeerIdentity { get; } = connect.PeerIdentity;

    /// <inheritdoc/>
    public string Authority { get; } = connect.Authority;

    /// <inheritdoc/>
    public IPEndPoint RemoteEndPoint { get; } = connect.RemoteEndPoint;

    /// <inheritdoc/>
    IPEndPoint? IHboneConnectionFeature.Destination => Destination;

    /// <summary>Address on this workload that policy is asked about.</summary>
    public IPEndPoint Destination { get; } = destination;

    /// <summary>What policies of connections are asked.</summary>
    public ConnectionFacts Facts => new(RemoteEndPoint, Destination, PeerIdentity);

    /// <summary>The caller as the application sees it; the same for every request of the connection.</summary>
    public ClaimsPrincipal User => _user ??= CreateUser(PeerIdentity);

    private static ClaimsPrincipal CreateUser(SpiffeId id)
    {
        var identity = new ClaimsIdentity(MeshClaims.AuthenticationType, MeshClaims.SpiffeId, roleType: null);
        identity.AddClaim(new Claim(MeshClaims.SpiffeId, id.ToString()));
        if (id.Namespace is { } ns)
        {
            identity.AddClaim(new Claim(MeshClaims.Namespace, ns));
        }

        if (id.ServiceAccount is { } serviceAccount)
        {
            identity.AddClaim(new Claim(MeshClaims.ServiceAccount, serviceAccount));
        }

        return new ClaimsPrincipal(identity);
    }
}
