using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>A CONNECT to send: where the tunnel is opened, as whom, to whom, and what it asks for.</summary>
public sealed record HboneConnectRequest
{
    /// <summary>Address of the HBONE peer, normally port 15008.</summary>
    public required IPEndPoint NextHop { get; init; }

    /// <summary>The <c>:authority</c>: <c>ip:port</c>, <c>[v6]:port</c> or <c>hostname:port</c>.</summary>
    public required string Authority { get; init; }

    /// <summary>Identity whose SVID is presented.</summary>
    public required SpiffeId Source { get; init; }

    /// <summary>Identities that the peer may have, in order. Empty: the handshake always fails.</summary>
    public required ImmutableArray<SpiffeId> AcceptedIdentities { get; init; }

    /// <summary>
    /// Address of the client on whose behalf the tunnel is opened: part of the pool's key, and handed to the connector,
    /// which may connect from it. Null: none.
    /// </summary>
    public IPAddress? SourceAddress { get; init; }

    /// <summary>Value of the <c>baggage</c> header, or null to leave it out.</summary>
    public string? Baggage { get; init; }

    /// <summary>Value of the <c>forwarded</c> header, or null to leave it out.</summary>
    public string? Forwarded { get; init; }

    /// <summary>Value of the <c>traceparent</c> header, or null to leave it out.</summary>
    public string? TraceParent { get; init; }

    /// <summary>Value of the <c>x-forwarded-network</c> header (the inner request of a double tunnel), or null to leave it out.</summary>
    public string? ForwardedNetwork { get; init; }
}
