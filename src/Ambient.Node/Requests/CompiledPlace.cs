using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests;

/// <summary>
/// Policies and routes of one place, and what they were compiled from: they hold for every snapshot with the same
/// instances of it. Holds no snapshot.
/// </summary>
/// <param name="Requests">Gateways, routes and policies.</param>
/// <param name="Services">Services, which routes name.</param>
/// <param name="Service">The service that the place stands for; null for workload-addressed traffic and gateways.</param>
/// <param name="Policies">Policies.</param>
/// <param name="Routes">Routes, or null where none can apply.</param>
internal sealed record CompiledPlace(
    RequestConfiguration Requests,
    IReadOnlyDictionary<string, MeshService> Services,
    MeshService? Service,
    RequestPolicies Policies,
    RequestRoutes? Routes)
{
    /// <summary>What is logged, counted and traced of its requests.</summary>
    public PlaceTelemetries Telemetry { get; init; } = PlaceTelemetries.Default;

    /// <summary>Headers that the proxy sets.</summary>
    public ProxyHeaders Headers { get; init; } = ProxyHeaders.Default;

    /// <summary>
    /// What <paramref name="earlier"/> was where nothing that it was compiled from has changed. Else <paramref name="compile"/> is asked, which
    /// takes over from the earlier policies and routes what still holds.
    /// </summary>
    public static CompiledPlace Of(
        MeshSnapshot mesh,
        MeshService? service,
        CompiledPlace? earlier,
        Func<RequestPolicies?, RequestRoutes?, (RequestPolicies Policies, RequestRoutes? Routes)> compile,
        Mesh.Gateway? gateway = null)
    {
        if (earlier is not null
            && ReferenceEquals(earlier.Requests, mesh.Requests) && ReferenceEquals(earlier.Services, mesh.Services) && ReferenceEquals(earlier.Service, service))
        {
            return earlier;
        }

        var (policies, routes) = compile(earlier?.Policies, earlier?.Routes);
        return new CompiledPlace(mesh.Requests, mesh.Services, service, policies, routes)
        {
            Telemetry = gateway is null ? PlaceTelemetries.Default : PlaceTelemetries.Of(mesh.Requests, gateway, service, earlier?.Telemetry),
            Headers = gateway?.Headers ?? ProxyHeaders.Default,
        };
    }
}
