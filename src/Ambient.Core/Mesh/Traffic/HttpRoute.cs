using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>An HTTPRoute or GRPCRoute of the Gateway API, defaults applied: where it is attached, and the rules that it brings there.</summary>
public sealed record HttpRoute
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary><c>HTTPRoute</c> or <c>GRPCRoute</c>; what listeners and ReferenceGrants ask.</summary>
    public string Kind { get; init; } = "HTTPRoute";

    /// <summary>What the route attaches to.</summary>
    public ImmutableArray<ObjectReference> ParentRefs { get; init; } = [];

    /// <summary>Hostnames; empty is any.</summary>
    public ImmutableArray<string> Hostnames { get; init; } = [];

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
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Kind, CreationTime, Rules.Length);
}
