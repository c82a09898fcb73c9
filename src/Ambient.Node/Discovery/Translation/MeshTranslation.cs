using Ambient.Mesh;

namespace Ambient.Node.Discovery.Translation;

/// <summary>A mesh made from Kubernetes objects.</summary>
/// <param name="Workloads">Workloads.</param>
/// <param name="Services">Services.</param>
/// <param name="Policies">L4 policies.</param>
/// <param name="Requests">What waypoints and gateways read besides.</param>
internal sealed record MeshTranslation(
    IReadOnlyList<Workload> Workloads,
    IReadOnlyList<MeshService> Services,
    IReadOnlyList<AuthorizationPolicy> Policies,
    RequestConfiguration Requests);
