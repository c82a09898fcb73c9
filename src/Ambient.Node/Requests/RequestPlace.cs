using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests;

/// <summary>Policies and routes of one place (a service at a waypoint, a gateway), compiled for one snapshot.</summary>
/// <param name="Mesh">The snapshot; a request that begins with it ends with it.</param>
/// <param name="Service">The service that the place stands for; null for workload-addressed traffic and gateways.</param>
/// <param name="Policies">Policies.</param>
/// <param name="Routes">Routes, or null where none can apply.</param>
internal sealed record RequestPlace(MeshSnapshot Mesh, MeshService? Service, RequestPolicies Policies, RequestRoutes? Routes)
{
    /// <summary>What is logged, counted and traced of its requests.</summary>
    public PlaceTelemetries Telemetry { get; init; } = PlaceTelemetries.Default;

    /// <summary>Headers that the proxy sets.</summary>
    public ProxyHeaders Headers { get; init; } = ProxyHeaders.Default;

    /// <summary>What a request to it runs through, as its pipeline has compiled it; null before the first request.</summary>
    public RequestStage[]? Stages { get; set; }
}
