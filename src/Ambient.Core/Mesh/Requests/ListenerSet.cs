using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// Listeners that are added to a Gateway: a ListenerSet of the Gateway API, where the Gateway allows it, or the servers of a Gateway of Istio's own, whose selector
/// means the Gateway's pods.
/// </summary>
public sealed record ListenerSet
{
    /// <summary>Whether it is a Gateway of Istio's own (<c>networking.istio.io</c>). VirtualServices alone attach to it.</summary>
    public bool IsIstio { get; init; }

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>The Gateway.</summary>
    public required ObjectReference Parent { get; init; }

    /// <summary>Listeners. Their "Same" namespace is the set's.</summary>
    public ImmutableArray<GatewayListener> Listeners { get; init; } = [];

    /// <summary>When it was created: the older set has a listener that two claim.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(ListenerSet? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && IsIstio == other.IsIstio
            && Name == other.Name
            && Namespace == other.Namespace
            && Parent == other.Parent
            && CreationTime == other.CreationTime
            && StructuralEquality.Same(Listeners, other.Listeners));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Parent, Listeners.Length);
}
