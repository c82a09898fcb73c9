using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>How a connection is carried.</summary>
public enum ConnectionProtocol
{
    /// <summary>Plain TCP.</summary>
    Tcp,

    /// <summary>One HBONE tunnel.</summary>
    Hbone,

    /// <summary>HBONE within HBONE, across networks.</summary>
    DoubleHbone,
}

/// <summary>Why there is no route.</summary>
public enum ConnectionFailure
{
    /// <summary>There is one.</summary>
    None,

    /// <summary>The service has no endpoint that can take the connection.</summary>
    NoHealthyUpstream,

    /// <summary>The destination must go through a waypoint that cannot be found or has no endpoint.</summary>
    UnknownWaypoint,

    /// <summary>The destination is in another network whose gateway cannot be found or has no endpoint.</summary>
    UnknownNetworkGateway,

    /// <summary>The destination workload has no address that can be reached.</summary>
    NoRoutingDestination,

    /// <summary>The destination is in another network and was not addressed by a service.</summary>
    NoServiceForTarget,

    /// <summary>The destination is known by DNS name only; see <see cref="ConnectionRoute.HostToResolve"/>.</summary>
    NameNotResolved,
}

/// <summary>The answer: where to dial and what to ask for there, or why the connection cannot be made.</summary>
public sealed record ConnectionRoute
{
    /// <summary>Why there is no route, as a kind.</summary>
    public ConnectionFailure Failure { get; init; }

    /// <summary>Why there is no route, in the reference's words; null when there is one.</summary>
    public string? Error { get; init; }

    /// <summary>How the connection is carried.</summary>
    public ConnectionProtocol Protocol { get; init; }

    /// <summary>Address to dial; null exactly when <see cref="Error"/> is set.</summary>
    public IPEndPoint? NextHop { get; init; }

    /// <summary>The CONNECT's <c>:authority</c>, of both layers of a double tunnel; null for plain TCP.</summary>
    public string? Authority { get; init; }

    /// <summary>Workload that is dialled: the endpoint, or the waypoint's. Null for passthrough.</summary>
    public Workload? NextHopWorkload { get; init; }

    /// <summary>Service that the client meant, for telemetry. Null when workload-addressed or passed through.</summary>
    public MeshService? Service { get; init; }

    /// <summary>Identities that the peer may have.</summary>
    public ImmutableArray<SpiffeId> AcceptedIdentities { get; init; } = [];

    /// <summary>Trust domains whose every member the peer may be, where <see cref="AcceptedIdentities"/> is empty because nobody knows who it is.</summary>
    public ImmutableArray<TrustDomain> AcceptedTrustDomains { get; init; } = [];

    /// <summary>Trust domains whose every member may be at the end of the inner tunnel, where <see cref="InnerAcceptedIdentities"/> is empty.</summary>
    public ImmutableArray<TrustDomain> InnerAcceptedTrustDomains { get; init; } = [];

    /// <summary>Identities that the peer at the end of the inner tunnel may have; empty unless the tunnel is double.</summary>
    public ImmutableArray<SpiffeId> InnerAcceptedIdentities { get; init; } = [];

    /// <summary>Whether the next hop is a waypoint.</summary>
    public bool ViaWaypoint { get; init; }

    /// <summary>Whether the service has a waypoint that was passed by, as it has nothing to do for it (<see cref="MeshService.SkipsIdleWaypoint"/>).</summary>
    public bool SkipsIdleWaypoint { get; init; }

    /// <summary>
    /// DNS name of a destination that has no address (<see cref="ConnectionFailure.NameNotResolved"/>). Whoever can
    /// resolve it goes on with <see cref="DestinationResolver.Complete"/>; for everyone else the route is an error.
    /// </summary>
    public string? HostToResolve { get; init; }

    /// <summary>Port at <see cref="HostToResolve"/>; 0 when nothing is to be resolved.</summary>
    public int PortToResolve { get; init; }

    /// <summary>
    /// What the decision would have depended on and the mesh does not know: an address (<c>network/ip</c>) or a host name
    /// (<c>namespace/hostname</c>), in the words of the control plane; null when nothing was missing. Whoever learns the
    /// mesh piece by piece asks for it and decides again.
    /// </summary>
    public string? Unknown { get; init; }

    /// <summary>A refusal.</summary>
    public static ConnectionRoute Fail(ConnectionFailure failure, string error) => new() { Failure = failure, Error = error };

    internal static ConnectionRoute NoHealthyUpstream(IPEndPoint destination) =>
        Fail(ConnectionFailure.NoHealthyUpstream, $"no healthy upstream: {destination}");

    internal static ConnectionRoute NoRoutingDestination(Workload workload) =>
        Fail(ConnectionFailure.NoRoutingDestination,
            $"no valid routing destination for workload: {workload.Name} with uid {workload.Uid} in network '{workload.Network}'");

    /// <summary>The bytes as they are, to where the client wanted.</summary>
    internal static ConnectionRoute Passthrough(IPEndPoint destination) =>
        new() { Protocol = ConnectionProtocol.Tcp, NextHop = destination };
}
