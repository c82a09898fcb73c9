using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Tokens;
using Ambient.Node.Telemetry.Tracing;

namespace Ambient.Node.Requests;

/// <summary>What all requests of a pipeline share.</summary>
/// <param name="Meshes">The mesh.</param>
/// <param name="Entrance">How they come in.</param>
/// <param name="Connections">What is open.</param>
/// <param name="Log">Accounts for them.</param>
/// <param name="Time">Clock.</param>
internal sealed record RequestServices(IMeshSnapshotProvider Meshes, IRequestEntrance Entrance, ConnectionTable Connections, RequestLog Log, TimeProvider Time)
{
    /// <summary>Verifies tokens.</summary>
    public required TokenVerifier Tokens { get; init; }

    /// <summary>Where spans go; null: nowhere.</summary>
    public SpanExporters? Spans { get; init; }

    /// <summary>An embedder's own stages.</summary>
    public ImmutableArray<MeshRequestFilter> Filters { get; init; } = [];

    /// <summary>Asks external authorizers; null: nobody can be asked, and CUSTOM policies deny what they match.</summary>
    public AuthorizerClient? Authorizers { get; init; }

    /// <summary>How long a request may go on while nothing of it or its answer moves. Default 1 hour.</summary>
    public TimeSpan StreamIdleTimeout { get; init; } = TimeSpan.FromHours(1);
}
