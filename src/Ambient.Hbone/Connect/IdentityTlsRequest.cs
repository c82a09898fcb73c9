using System.Collections.Immutable;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>TLS to ask for over a connection that carries no tunnel: as whom, and whom for.</summary>
public sealed record IdentityTlsRequest
{
    /// <summary>Identity whose SVID is presented.</summary>
    public required SpiffeId Source { get; init; }

    /// <summary>Identities that the peer may have. Empty: the handshake always fails.</summary>
    public required ImmutableArray<SpiffeId> AcceptedIdentities { get; init; }

    /// <summary>Server name that is sent (RFC 6066 section 3). It says where the connection is for; who the peer is the identity says.</summary>
    public string ServerName { get; init; } = "";

    /// <summary>Protocols that are offered (RFC 7301); empty: none. The peer need not choose any of them.</summary>
    public ImmutableArray<string> Protocols { get; init; } = [];
}
