using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// A TLSRoute or TCPRoute of the Gateway API, or what a VirtualService of Istio's own says of TLS and TCP: where connections go whose bytes are not looked into.
/// </summary>
public sealed record StreamRoute
{
    /// <summary><c>TLSRoute</c>, <c>TCPRoute</c> or <c>VirtualService</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>What the route attaches to.</summary>
    public ImmutableArray<ObjectReference> ParentRefs { get; init; } = [];

    /// <summary>Server names of TLS; empty is any. A TCPRoute has none. Of a VirtualService they are its hosts as written, short ones standing for services of its namespace.</summary>
    public ImmutableArray<string> Hostnames { get; init; } = [];

    /// <summary>Weighted backends of its first rule: the rules of such a route have nothing to match, so no other can be reached. None of a VirtualService.</summary>
    public ImmutableArray<StreamRouteBackend> Backends { get; init; } = [];

    /// <summary>Rules of a VirtualService: those for TLS, then those for TCP, each in written order.</summary>
    public ImmutableArray<StreamRule> Rules { get; init; } = [];

    /// <summary>Namespaces for whose proxies a VirtualService is, <c>*</c> for all; empty: all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Limits of its connections; null: nothing is said.</summary>
    public StreamLimits? Limits { get; init; }

    /// <summary>When it was created: of two routes for the same connections the older one has them.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(StreamRoute? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Kind == other.Kind
            && Name == other.Name
            && Namespace == other.Namespace
            && CreationTime == other.CreationTime
            && Limits == other.Limits
            && StructuralEquality.Same(ParentRefs, other.ParentRefs)
            && StructuralEquality.Same(Hostnames, other.Hostnames)
            && StructuralEquality.Same(Backends, other.Backends)
            && StructuralEquality.Same(Rules, other.Rules)
            && StructuralEquality.Same(ExportTo, other.ExportTo));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, Name, Namespace, Backends.Length);
}

/// <summary>Limits of connections whose bytes are not looked into. Null: what holds besides.</summary>
/// <param name="IdleTimeout">How long nothing may move, either way; zero: for ever.</param>
/// <param name="Longest">How long a connection may last.</param>
/// <param name="ConnectAttempts">How many endpoints are tried.</param>
public sealed record StreamLimits(TimeSpan? IdleTimeout, TimeSpan? Longest, int? ConnectAttempts);

/// <summary>A backend of a <see cref="StreamRoute"/>.</summary>
/// <param name="Reference">What it refers to.</param>
/// <param name="Weight">Share of the connections; 0 receives nothing.</param>
public sealed record StreamRouteBackend(ObjectReference Reference, int Weight)
{
    /// <summary>The subset of the service's endpoints, as a DestinationRule names it; null: all of them.</summary>
    public string? Subset { get; init; }
}
