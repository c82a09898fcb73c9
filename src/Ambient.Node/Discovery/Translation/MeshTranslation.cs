using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

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
    RequestConfiguration Requests)
{
    /// <summary>What the objects say and has no effect, although whoever wrote it expects one.</summary>
    public IReadOnlyList<TranslationNotice> Notices { get; init; } = [];
}

/// <summary>Something that an operator should hear of an object that is right in itself.</summary>
/// <param name="About">The object, as it was read.</param>
/// <param name="Text">What it has no effect on, why, and what to do.</param>
internal sealed record TranslationNotice(KubernetesObject About, string Text);
