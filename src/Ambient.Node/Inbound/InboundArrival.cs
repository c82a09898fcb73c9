using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Inbound;

/// <summary>A CONNECT whose destination is known: who it is between, whether it may come in and stay, and how it is delivered.</summary>
internal abstract class InboundArrival : IConnectionGround
{
    /// <summary>Who it is between, as far as is known when it arrives.</summary>
    public required ConnectionParties Parties { get; init; }

    /// <summary>
    /// Whether <see cref="Parties"/> is all there will be to know, so that the connection is logged and counted at once. False where
    /// delivering tells the rest, and announces it.
    /// </summary>
    public virtual bool IsKnown => true;

    /// <summary>Writes its line where the host's own may not be wanted; null: that one is.</summary>
    public virtual IConnectionAccount? Account => null;

    /// <summary>May it come in? Asked once, when it is registered, of the newest snapshot.</summary>
    public abstract AuthorizationDecision Authorize();

    /// <inheritdoc/>
    public abstract ConnectionObjection? ObjectionIn(MeshSnapshot mesh);

    /// <summary>
    /// Answers the CONNECT, and carries its tunnel to the end or says which socket it is to be relayed to. Throws only what nobody foresaw.
    /// </summary>
    /// <param name="connect">The CONNECT, not answered yet.</param>
    /// <param name="connection">Counts, and says when the host ends it.</param>
    /// <param name="cancellationToken">Ends it at once.</param>
    public abstract ValueTask<InboundDelivery> DeliverAsync(HboneConnect connect, OpenConnection connection, CancellationToken cancellationToken);
}

/// <summary>What became of a delivery: it is over, or there is a socket whose bytes are the tunnel's from here on.</summary>
internal readonly record struct InboundDelivery
{
    private InboundDelivery(ConnectionOutcome outcome, HboneTunnel? tunnel, Socket? server) => (Outcome, Tunnel, Server) = (outcome, tunnel, server);

    /// <summary>How it ended.</summary>
    public ConnectionOutcome Outcome { get; }

    /// <summary>The tunnel, accepted; null when it is over.</summary>
    public HboneTunnel? Tunnel { get; }

    /// <summary>The workload's side, connected; null when it is over.</summary>
    public Socket? Server { get; }

    /// <summary>It is over.</summary>
    public static implicit operator InboundDelivery(ConnectionOutcome outcome) => new(outcome, null, null);

    /// <summary>Whoever asked relays between the two, and disposes of them.</summary>
    public static InboundDelivery To(Socket server, HboneTunnel tunnel) => new(ConnectionOutcome.Complete, tunnel, server);
}

/// <summary>Where a CONNECT goes, or why it is refused.</summary>
internal readonly record struct InboundResolution
{
    private InboundResolution(InboundArrival? arrival, int status, string? error) => (Arrival, Status, Error) = (arrival, status, error);

    /// <summary>Where it goes; null when it is refused.</summary>
    public InboundArrival? Arrival { get; }

    /// <summary>Status of the refusal.</summary>
    public int Status { get; }

    /// <summary>Why it is refused.</summary>
    public string? Error { get; }

    /// <summary>Goes on.</summary>
    public static implicit operator InboundResolution(InboundArrival arrival) => new(arrival, 0, null);

    /// <summary>Is refused.</summary>
    public static InboundResolution Refuse(int status, string error) => new(null, status, error);
}
