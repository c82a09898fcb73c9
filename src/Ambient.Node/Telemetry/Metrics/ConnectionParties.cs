using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>Who a connection is between, as far as it is known: what access log, metrics and config dump say about it.</summary>
internal sealed record ConnectionParties
{
    /// <summary>Which side of the connection the workload is on.</summary>
    public required TrafficDirection Direction { get; init; }

    /// <summary>Label <c>reporter</c> where that is neither side; null: the side of the workload.</summary>
    public string? Reporter { get; init; }

    /// <summary>Address of the client.</summary>
    public required IPEndPoint Source { get; init; }

    /// <summary>Outbound: the next hop. Inbound HBONE: the workload's address and port 15008. Passthrough: the original destination.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>Inbound HBONE: where on the workload it is delivered. Null elsewhere: it goes to <see cref="Destination"/>.</summary>
    public IPEndPoint? Upstream { get; init; }

    /// <summary>The CONNECT's authority; null without HBONE.</summary>
    public string? HboneAddress { get; init; }

    /// <summary>The client's workload, from the mesh.</summary>
    public Workload? SourceWorkload { get; init; }

    /// <summary>What the peer says of the client's workload; used where the mesh does not know it.</summary>
    public PeerBaggage? SourceBaggage { get; init; }

    /// <summary>Authenticated identity of the client; null without mutual TLS.</summary>
    public SpiffeId? SourceIdentity { get; init; }

    /// <summary>The workload at the other end of this hop: an endpoint or a waypoint.</summary>
    public Workload? DestinationWorkload { get; init; }

    /// <summary>Identity of the destination; null without mutual TLS.</summary>
    public SpiffeId? DestinationIdentity { get; init; }

    /// <summary>Who answered at the end of a tunnel across networks: reported in place of the gateway's workload, which is only on the way.</summary>
    public InnerPeer? DestinationPeer { get; init; }

    /// <summary>Service that the client meant.</summary>
    public MeshService? Service { get; init; }

    /// <summary>What the client had asked for, as far as the previous hop tells: <c>forwarded</c>'s host, or the captured destination.</summary>
    public string? OriginalDestination { get; init; }

    /// <summary>What Telemetries change of its metrics; null: nothing.</summary>
    public MetricOverrides? Overrides { get; init; }

    /// <summary>
    /// The same without what a peer says of itself, to count a connection that came to nothing: a peer that is refused must not make new
    /// series by inventing names.
    /// </summary>
    public ConnectionParties WithoutHearsay() => SourceBaggage is null && DestinationPeer is null ? this : this with { SourceBaggage = null, DestinationPeer = null };

    /// <summary>Whether both sides are authenticated.</summary>
    public bool MutualTls => SourceIdentity is not null;
}

/// <summary>The peer at the end of a tunnel within a tunnel, which the mesh need not know: what its certificate and its answer say.</summary>
/// <param name="Identity">From its certificate.</param>
/// <param name="Baggage">What it says of itself; null when it says nothing.</param>
internal sealed record InnerPeer(SpiffeId Identity, PeerBaggage? Baggage);
