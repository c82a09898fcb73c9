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

    /// <summary>Identities that the peer may have, in order. Empty, and <see cref="AcceptedTrustDomains"/> too: the handshake always fails.</summary>
    public required ImmutableArray<SpiffeId> AcceptedIdentities { get; init; }

    /// <summary>Trust domains whose every member the peer may be, where <see cref="AcceptedIdentities"/> is empty because nobody knows who it is.</summary>
    public ImmutableArray<TrustDomain> AcceptedTrustDomains { get; init; } = [];

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

    /// <summary>
    /// Value of the <c>x-istio-source</c> header (the outer request of a double tunnel): whether a <c>waypoint</c> or a <c>gateway</c> sends, which the
    /// other network's gateway chooses the way by. Null leaves it out.
    /// </summary>
    public string? RequestSource { get; init; }

    /// <summary>Whose certificate is taken: one of the identities, or where none is known, any member of the trust domains.</summary>
    internal static SpiffeIdMatcher Matcher(ImmutableArray<SpiffeId> identities, ImmutableArray<TrustDomain> domains) =>
        identities.IsDefaultOrEmpty && !domains.IsDefaultOrEmpty ? SpiffeIdMatcher.MemberOf(domains) : SpiffeIdMatcher.OneOf(identities);
}
