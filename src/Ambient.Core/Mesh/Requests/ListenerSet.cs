using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>A ListenerSet of the Gateway API: listeners that are added to a Gateway which allows it.</summary>
public sealed record ListenerSet
{
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
            && Name == other.Name
            && Namespace == other.Namespace
            && Parent == other.Parent
            && CreationTime == other.CreationTime
            && StructuralEquality.Same(Listeners, other.Listeners));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Parent, Listeners.Length);
}
