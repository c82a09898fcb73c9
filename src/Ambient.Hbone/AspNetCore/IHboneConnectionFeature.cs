using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.AspNetCore;

/// <summary>What a connection inside HBONE knows of its tunnel. A connection feature, and so a request feature.</summary>
public interface IHboneConnectionFeature
{
    /// <summary>Identity of the peer, from its certificate.</summary>
    SpiffeId PeerIdentity { get; }

    /// <summary>The CONNECT's <c>:authority</c>.</summary>
    string Authority { get; }

    /// <summary>Address of the tunnel's peer.</summary>
    IPEndPoint RemoteEndPoint { get; }

    /// <summary>Address that the tunnel was asked to reach, when the authority is an address.</summary>
    IPEndPoint? Destination { get; }
}
