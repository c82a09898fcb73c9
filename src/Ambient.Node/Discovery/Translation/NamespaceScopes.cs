using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>What a workload's namespace and labels bring it.</summary>
/// <param name="Policies">Keys of the selector-scoped policies that select it.</param>
/// <param name="Services">Services that select it.</param>
/// <param name="InboundBinding">How it takes traffic, where it is an instance of a waypoint behind a ztunnel.</param>
/// <param name="Waypoint">The waypoint that it is bound to.</param>
internal sealed record LabelScope(
    ImmutableArray<string> Policies, ImmutableArray<CatalogService> Services, ApplicationTunnel? InboundBinding, GatewayAddress? Waypoint)
{
    /// <summary>Whether everything is equal, collections by content.</summary>
    public bool Equals(LabelScope? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && InboundBinding == other.InboundBinding
            && Waypoint == other.Waypoint
            && Policies.AsSpan().SequenceEqual(other.Policies.AsSpan())
            && Services.AsSpan().SequenceEqual(other.Services.AsSpan()));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Policies.Length, Services.Length, InboundBinding, Waypoint);
}

/// <summary>
/// Answers what labels bring in a namespace. While nothing that could select or bind in a namespace has changed, nothing is
/// asked anew for the workloads there.
/// </summary>
internal sealed class NamespaceScopes(
    KubernetesObjects objects, WaypointCatalog waypoints, ServiceCatalog services, PolicyCatalog policies, TranslationMemory memory)
{
    private readonly Dictionary<string, object> _versions = new(StringComparer.Ordinal);

    /// <summary>What the namespace and labels of <paramref name="meta"/> bring.</summary>
    /// <param name="key">What tells the owner from all others.</param>
    /// <param name="owner">The object that has them; the answer follows from it and from the namespace.</param>
    /// <param name="meta">Its namespace and labels.</param>
    public LabelScope Of(string key, KubernetesObject owner, ObjectMeta meta) => memory.Keep(
        "selection",
        key,
        [owner, VersionOf(meta.Namespace)],
        () => new LabelScope(
            [.. policies.Of(meta.Namespace, meta.Labels)],
            [.. services.Selecting(meta.Namespace, meta.Labels)],
            waypoints.InstanceOf(meta)?.InboundBinding,
            waypoints.OfWorkload(meta)?.Address));

    /// <summary>The same instance for as long as nothing has changed that selects or binds in a namespace.</summary>
    private object VersionOf(string ns)
    {
        if (!_versions.TryGetValue(ns, out var version))
        {
            version = memory.Keep<object>(
                "namespace",
                ns,
                [objects.Namespaces.GetValueOrDefault(ns), .. waypoints.All, null, .. services.Of(ns), null, .. policies.Selecting(ns)],
                () => new object());
            _versions[ns] = version;
        }

        return version;
    }
}
