using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// An HTTPRoute or GRPCRoute of the Gateway API, or the HTTP part of a VirtualService of Istio's own, defaults applied: where it is attached, and the
/// rules that it brings there.
/// </summary>
public sealed record HttpRoute
{
    /// <summary><see cref="Kind"/> of a VirtualService, whose rules are tried in written order.</summary>
    public const string VirtualService = "VirtualService";

    /// <summary>What a VirtualService calls the requests of the mesh, in place of a gateway's name.</summary>
    public const string Mesh = "mesh";

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary><c>HTTPRoute</c>, <c>GRPCRoute</c> or <c>VirtualService</c>; what listeners and ReferenceGrants ask.</summary>
    public string Kind { get; init; } = "HTTPRoute";

    /// <summary>What the route attaches to.</summary>
    public ImmutableArray<ObjectReference> ParentRefs { get; init; } = [];

    /// <summary>
    /// Hostnames. By the Gateway API empty is any. Of a VirtualService they are as written, short ones standing for services of its namespace, and one
    /// without is for others to delegate to.
    /// </summary>
    public ImmutableArray<string> Hostnames { get; init; } = [];

    /// <summary>Namespaces for whose proxies a VirtualService is, <c>*</c> for all; empty: all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Rules in written order.</summary>
    public ImmutableArray<TrafficRule> Rules { get; init; } = [];

    /// <summary>When it was created; decides ties.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>, after the kind where that is not HTTPRoute: both kinds may use a name.</summary>
    public string Key => Kind == "HTTPRoute" ? $"{Namespace}/{Name}" : $"{Kind} {Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(HttpRoute? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && Kind == other.Kind
            && CreationTime == other.CreationTime
            && StructuralEquality.Same(ParentRefs, other.ParentRefs)
            && StructuralEquality.Same(Hostnames, other.Hostnames)
            && StructuralEquality.Same(ExportTo, other.ExportTo)
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Kind, CreationTime, Rules.Length);
}
