using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// What clients observe towards a host, once it is known where a request goes
/// (https://istio.io/latest/docs/reference/config/networking/destination-rule/). Defaults are not applied: a block that is null says nothing.
/// </summary>
public sealed record DestinationRule
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>
    /// The object that it comes from (<c>namespace/name</c>), where a control plane has worked out what holds here; empty: none, these are its own defaults. Null: it
    /// is the object itself.
    /// </summary>
    public string? Origin { get; init; }

    /// <summary>The host: whole and in lower case, or with a leading <c>*</c> that stands for any beginning.</summary>
    public required string Host { get; init; }

    /// <summary>Namespaces whose clients observe it; <c>*</c> is all of them, and so is an empty list.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Labels of the clients of its own namespace that observe it; empty: every client that <see cref="ExportTo"/> has.</summary>
    public ImmutableDictionary<string, string> WorkloadSelector { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>What holds for all endpoints.</summary>
    public TrafficPolicy Policy { get; init; } = TrafficPolicy.None;

    /// <summary>Named subsets of the endpoints.</summary>
    public ImmutableArray<DestinationSubset> Subsets { get; init; } = [];

    /// <summary>When it was created: of several for one host in one namespace the oldest goes first.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(DestinationRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && Origin == other.Origin
            && Host == other.Host
            && CreationTime == other.CreationTime
            && Policy == other.Policy
            && StructuralEquality.Same(ExportTo, other.ExportTo)
            && StructuralEquality.Same(WorkloadSelector, other.WorkloadSelector)
            && StructuralEquality.Same(Subsets, other.Subsets));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Host, Subsets.Length);
}

/// <summary>A subset of the endpoints of a host.</summary>
/// <param name="Name">Name that routes refer to.</param>
public sealed record DestinationSubset(string Name)
{
    /// <summary>Labels that its endpoints have; empty: all endpoints.</summary>
    public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>What holds for the subset in place of the rule's, block by block; null: nothing else.</summary>
    public TrafficPolicy? Policy { get; init; }

    /// <summary>Whether every field is equal, labels by content.</summary>
    public bool Equals(DestinationSubset? other) =>
        other is not null && Name == other.Name && Policy == other.Policy && StructuralEquality.Same(Labels, other.Labels);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Labels.Count);
}
