using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>A request as it came in: where to, from whom, and what governs it there.</summary>
internal readonly record struct RequestArrival()
{
    /// <summary>Policies and routes; null when the place is gone from the mesh.</summary>
    public required RequestPlace? Place { get; init; }

    /// <summary>Authenticated identity of the peer, or null.</summary>
    public required SpiffeId? Identity { get; init; }

    /// <summary>Address of the client: the peer's, unless a proxy in front says another in the PROXY protocol.</summary>
    public required IPEndPoint Source { get; init; }

    /// <summary>Address of the peer, where that is not <see cref="Source"/>; null: it is.</summary>
    public IPEndPoint? Peer { get; init; }

    /// <summary>The peer's IP address as text, where the entrance keeps it with the connection; null: it does not.</summary>
    public string? SourceText { get; init; }

    /// <summary>Address that the request was sent to: service address and port at a waypoint, the listener at a gateway.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>The workload that we are; null when it is gone from the mesh.</summary>
    public required Workload? Self { get; init; }

    /// <summary>What the entrance knows the place by, for when it is asked again; null where it needs nothing.</summary>
    public object? Target { get; init; }

    /// <summary>The workload that was addressed itself; null when a service or a gateway was.</summary>
    public Workload? Workload { get; init; }

    /// <summary>Whether the request came from outside the mesh: services may want such go through their waypoint.</summary>
    public bool IsIngress { get; init; }

    /// <summary>Scheme that the client used.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>Server name of the connection's TLS, empty when it had none; null: it was in clear, or within the mesh.</summary>
    public string? ServerName { get; init; }

    /// <summary>The certificate that is shown to endpoints which are spoken to in TLS and ask for one; null: none.</summary>
    public TlsSecret? BackendCertificate { get; init; }

    /// <summary>What the endpoint is told of the client's certificate, which was verified; null: there was none.</summary>
    public string? ClientCertificate { get; init; }
}
