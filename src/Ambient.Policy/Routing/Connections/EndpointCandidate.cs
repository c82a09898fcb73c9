using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>An endpoint of a service, and whether a connection may be sent to it.</summary>
/// <param name="Workload">The endpoint.</param>
/// <param name="Port">Port on it; null when the service's port leads to none.</param>
/// <param name="Rank">How near it is, where the service ranks by locality; larger is nearer.</param>
/// <param name="Excluded">Why it is not chosen from; null: it is, with a share by its capacity.</param>
public sealed record EndpointCandidate(Workload Workload, int? Port, int Rank, string? Excluded)
{
    /// <summary>The way to it, where it is not dialled itself; null: it is.</summary>
    public ConnectionRoute? Way { get; init; }

    /// <summary>The TLS that it is spoken to in because it has a sidecar; null: it has none.</summary>
    public BackendTls? Sidecar { get; init; }
}
