using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>One way to match a request; every given field must hold.</summary>
public sealed record TrafficMatch
{
    /// <summary>Path comparison.</summary>
    public PathMatch Path { get; init; } = new(PathMatchKind.Prefix, "/");

    /// <summary>Method, or null for any.</summary>
    public TextMatch? Method { get; init; }

    /// <summary>Scheme, or null for any.</summary>
    public TextMatch? Scheme { get; init; }

    /// <summary>Host header as sent, or null for any.</summary>
    public TextMatch? Authority { get; init; }

    /// <summary>Port that the request arrived at, or null for any.</summary>
    public int? Port { get; init; }

    /// <summary>
    /// Gateways (<c>namespace/name</c>) for whose requests this is, <c>mesh</c> for those of the mesh. Empty: for all that the route is attached to.
    /// </summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    /// <summary>Header comparisons, ANDed.</summary>
    public ImmutableArray<NamedValueMatch> Headers { get; init; } = [];

    /// <summary>Query parameter comparisons, ANDed.</summary>
    public ImmutableArray<NamedValueMatch> QueryParams { get; init; } = [];

    /// <summary>Comparisons of what the request's token says, ANDed. They are about requests at gateways; elsewhere no claim is there.</summary>
    public ImmutableArray<ClaimMatch> Claims { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficMatch? other) =>
        other is not null
        && Path == other.Path
        && Method == other.Method
        && Scheme == other.Scheme
        && Authority == other.Authority
        && Port == other.Port
        && StructuralEquality.Same(Gateways, other.Gateways)
        && StructuralEquality.Same(Headers, other.Headers)
        && StructuralEquality.Same(QueryParams, other.QueryParams)
        && StructuralEquality.Same(Claims, other.Claims);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Path, Method, Port, Headers.Length, QueryParams.Length);
}

/// <summary>How a path is compared.</summary>
public enum PathMatchKind
{
    /// <summary>Whole path.</summary>
    Exact,

    /// <summary>Whole segments from the beginning.</summary>
    Prefix,

    /// <summary>Characters from the beginning, wherever a segment ends.</summary>
    TextPrefix,

    /// <summary>Regular expression over the whole path.</summary>
    RegularExpression,
}

/// <summary>A path comparison.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what.</param>
public sealed record PathMatch(PathMatchKind Kind, string Value)
{
    /// <summary>Whether letters are compared without case. Not for regular expressions.</summary>
    public bool IgnoresCase { get; init; }
}

/// <summary>How a text is compared.</summary>
public enum TextMatchKind
{
    /// <summary>All of it.</summary>
    Exact,

    /// <summary>Its beginning.</summary>
    Prefix,

    /// <summary>Regular expression over the whole of it.</summary>
    RegularExpression,

    /// <summary>That it is there.</summary>
    Present,
}

/// <summary>A comparison of a text.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what; empty for <see cref="TextMatchKind.Present"/>.</param>
public readonly record struct TextMatch(TextMatchKind Kind, string Value)
{
    /// <summary>All of a text.</summary>
    /// <param name="value">The text.</param>
    public static TextMatch Exact(string value) => new(TextMatchKind.Exact, value);
}

/// <summary>A header or query parameter comparison.</summary>
/// <param name="Name">Name.</param>
/// <param name="Value">Value.</param>
public sealed record NamedValueMatch(string Name, TextMatch Value)
{
    /// <summary>Whether the comparison must fail. One that is not there counts as empty then.</summary>
    public bool IsInverted { get; init; }
}
