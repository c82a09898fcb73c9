using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>A RequestAuthentication: which tokens requests may carry. A request without one passes; one whose token is not valid does not.</summary>
public sealed record RequestAuthentication
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>What it is attached to; empty when it selects pods or its whole namespace.</summary>
    public ImmutableArray<ObjectReference> Targets { get; init; } = [];

    /// <summary>Pod labels that it selects; null when it has no selector.</summary>
    public ImmutableDictionary<string, string>? Selector { get; init; }

    /// <summary>Its issuers; empty when it asks nothing.</summary>
    public ImmutableArray<JwtRule> Rules { get; init; } = [];

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Key of one without namespace and name: istiod's configuration of a proxy has the issuers of all that apply to a place, and not whose they are.</summary>
    public const string Unnamed = "/";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(RequestAuthentication? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && StructuralEquality.Same(Targets, other.Targets)
            && StructuralEquality.Same(Selector, other.Selector)
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Targets.Length, Rules.Length);
}

/// <summary>A part of a request that may have a token.</summary>
public enum TokenPart
{
    /// <summary>A header.</summary>
    Header,

    /// <summary>A parameter of the query.</summary>
    Parameter,

    /// <summary>A cookie.</summary>
    Cookie,
}

/// <summary>Where a token may be.</summary>
/// <param name="Part">Part of the request.</param>
/// <param name="Name">Name of the header, parameter or cookie.</param>
/// <param name="Prefix">What stands before the token in a header, for example <c>Bearer </c>; empty for nothing.</param>
public sealed record TokenLocation(TokenPart Part, string Name, string Prefix = "");

/// <summary>
/// What selects a workload by its labels besides the policies that the workload lists itself: the policies that no layer 4 proxy enforces.
/// </summary>
/// <param name="AuthorizationPolicies">Keys of CUSTOM and AUDIT policies, and of those on trial.</param>
/// <param name="RequestAuthentications">Keys of RequestAuthentications.</param>
public sealed record RequestSelection(ImmutableArray<string> AuthorizationPolicies, ImmutableArray<string> RequestAuthentications)
{
    /// <summary>Whether both are equal by content.</summary>
    public bool Equals(RequestSelection? other) =>
        other is not null
        && StructuralEquality.Same(AuthorizationPolicies, other.AuthorizationPolicies)
        && StructuralEquality.Same(RequestAuthentications, other.RequestAuthentications);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(AuthorizationPolicies.Length, RequestAuthentications.Length);
}
