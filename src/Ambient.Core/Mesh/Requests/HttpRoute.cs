using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>An HTTPRoute of the Gateway API, defaults applied.</summary>
public sealed record HttpRoute
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>What the route attaches to.</summary>
    public ImmutableArray<ObjectReference> ParentRefs { get; init; } = [];

    /// <summary>Hostnames; empty is any.</summary>
    public ImmutableArray<string> Hostnames { get; init; } = [];

    /// <summary>Rules in written order.</summary>
    public ImmutableArray<HttpRouteRule> Rules { get; init; } = [];

    /// <summary>When it was created; decides ties.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(HttpRoute? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && CreationTime == other.CreationTime
            && StructuralEquality.Same(ParentRefs, other.ParentRefs)
            && StructuralEquality.Same(Hostnames, other.Hostnames)
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, CreationTime, Rules.Length);
}

/// <summary>A rule of an HTTPRoute.</summary>
public sealed record HttpRouteRule
{
    /// <summary>Matches, ORed. Never empty: the default is the prefix <c>/</c>.</summary>
    public ImmutableArray<HttpRouteMatch> Matches { get; init; } = [];

    /// <summary>Weighted backends.</summary>
    public ImmutableArray<HttpRouteBackend> Backends { get; init; } = [];

    /// <summary>RequestHeaderModifier, or null.</summary>
    public HeaderModification? RequestHeaders { get; init; }

    /// <summary>ResponseHeaderModifier, or null.</summary>
    public HeaderModification? ResponseHeaders { get; init; }

    /// <summary>RequestRedirect, or null. Excludes backends.</summary>
    public RequestRedirect? Redirect { get; init; }

    /// <summary>URLRewrite, or null.</summary>
    public UrlRewrite? Rewrite { get; init; }

    /// <summary>
    /// Names of filters or fields of this rule that this version does not act on. A request that such a rule matches is
    /// answered with 500 rather than treated as if the filter were not there.
    /// </summary>
    public ImmutableArray<string> Unsupported { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(HttpRouteRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && StructuralEquality.Same(Matches, other.Matches)
            && StructuralEquality.Same(Backends, other.Backends)
            && RequestHeaders == other.RequestHeaders
            && ResponseHeaders == other.ResponseHeaders
            && Redirect == other.Redirect
            && Rewrite == other.Rewrite
            && StructuralEquality.Same(Unsupported, other.Unsupported));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Matches.Length, Backends.Length, Redirect, Rewrite, Unsupported.Length);
}

/// <summary>One way to match a request; every given field must hold.</summary>
public sealed record HttpRouteMatch
{
    /// <summary>Path comparison.</summary>
    public PathMatch Path { get; init; } = new(PathMatchKind.Prefix, "/");

    /// <summary>Method, exact, or null.</summary>
    public string? Method { get; init; }

    /// <summary>Header comparisons, ANDed.</summary>
    public ImmutableArray<NamedValueMatch> Headers { get; init; } = [];

    /// <summary>Query parameter comparisons, ANDed.</summary>
    public ImmutableArray<NamedValueMatch> QueryParams { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(HttpRouteMatch? other) =>
        other is not null
        && Path == other.Path
        && Method == other.Method
        && StructuralEquality.Same(Headers, other.Headers)
        && StructuralEquality.Same(QueryParams, other.QueryParams);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Path, Method, Headers.Length, QueryParams.Length);
}

/// <summary>How a path is compared.</summary>
public enum PathMatchKind
{
    /// <summary>Whole path.</summary>
    Exact,

    /// <summary>Whole segments from the beginning.</summary>
    Prefix,

    /// <summary>Regular expression over the whole path.</summary>
    RegularExpression,
}

/// <summary>A path comparison.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what.</param>
public sealed record PathMatch(PathMatchKind Kind, string Value);

/// <summary>A header or query parameter comparison.</summary>
/// <param name="Name">Name.</param>
/// <param name="Value">Value, exact or a regular expression over the whole value.</param>
/// <param name="IsRegularExpression">Whether the value is a regular expression.</param>
public sealed record NamedValueMatch(string Name, string Value, bool IsRegularExpression);

/// <summary>A backend of a rule.</summary>
/// <param name="Reference">What it refers to.</param>
/// <param name="Weight">Share; 0 receives nothing.</param>
public sealed record HttpRouteBackend(ObjectReference Reference, int Weight)
{
    /// <summary>RequestHeaderModifier of this backend, or null.</summary>
    public HeaderModification? RequestHeaders { get; init; }

    /// <summary>ResponseHeaderModifier of this backend, or null.</summary>
    public HeaderModification? ResponseHeaders { get; init; }

    /// <summary>Names of filters of this backend that this version does not act on: its share is answered with 500.</summary>
    public ImmutableArray<string> Unsupported { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(HttpRouteBackend? other) =>
        other is not null
        && Reference == other.Reference
        && Weight == other.Weight
        && RequestHeaders == other.RequestHeaders
        && ResponseHeaders == other.ResponseHeaders
        && StructuralEquality.Same(Unsupported, other.Unsupported);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Reference, Weight, Unsupported.Length);
}
