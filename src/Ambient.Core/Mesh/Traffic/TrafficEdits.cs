using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>Changes to headers, made in this order: remove, set, add. Names are compared without case.</summary>
public sealed record HeaderModification
{
    /// <summary>Names to remove.</summary>
    public ImmutableArray<string> Remove { get; init; } = [];

    /// <summary>Headers that replace any of their name.</summary>
    public ImmutableArray<NamedValue> Set { get; init; } = [];

    /// <summary>Headers that join any of their name.</summary>
    public ImmutableArray<NamedValue> Add { get; init; } = [];

    /// <summary>Whether every field is equal.</summary>
    public bool Equals(HeaderModification? other) =>
        other is not null
        && StructuralEquality.Same(Remove, other.Remove)
        && StructuralEquality.Same(Set, other.Set)
        && StructuralEquality.Same(Add, other.Add);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Remove.Length, Set.Length, Add.Length);
}

/// <summary>A header.</summary>
/// <param name="Name">Name.</param>
/// <param name="Value">Value.</param>
public readonly record struct NamedValue(string Name, string Value);

/// <summary>An answer that sends the client elsewhere. Null fields stay as the request has them.</summary>
/// <param name="Scheme">Scheme.</param>
/// <param name="Hostname">Host.</param>
/// <param name="Path">Path.</param>
/// <param name="Port">Port; null: the scheme's own when <paramref name="Scheme"/> is given, else the listener's.</param>
/// <param name="StatusCode">Status, normally 302.</param>
public sealed record RequestRedirect(string? Scheme, string? Hostname, PathRewrite? Path, int? Port, int StatusCode = 302)
{
    /// <summary>
    /// Whether a <see cref="Hostname"/> that is null means the request's with the port that it was sent with, as Istio's own routes have it where they
    /// name no port.
    /// </summary>
    public bool KeepsRequestPort { get; init; }

    /// <summary>Whether the port is the one that the request arrived at, whatever the scheme.</summary>
    public bool UsesArrivalPort { get; init; }
}

/// <summary>A change of the request before it is forwarded. Null fields stay as the request has them.</summary>
/// <param name="Hostname">Host.</param>
/// <param name="Path">Path.</param>
public sealed record UrlRewrite(string? Hostname, PathRewrite? Path);

/// <summary>A change of path: the whole, or the prefix that the rule matched.</summary>
/// <param name="Kind">Which part is replaced.</param>
/// <param name="Value">By what.</param>
public sealed record PathRewrite(PathRewriteKind Kind, string Value)
{
    /// <summary>The regular expression of <see cref="PathRewriteKind.ReplacePattern"/>; else null.</summary>
    public string? Pattern { get; init; }
}

/// <summary>Which part of a path is replaced.</summary>
public enum PathRewriteKind
{
    /// <summary>The whole path.</summary>
    ReplaceFullPath,

    /// <summary>The prefix that matched, in whole segments.</summary>
    ReplacePrefixMatch,

    /// <summary>The characters that matched a prefix; the whole path where none did.</summary>
    ReplaceTextPrefix,

    /// <summary>What a regular expression finds: <see cref="PathRewrite.Pattern"/> says what, <see cref="PathRewrite.Value"/> by what, with <c>\1</c> to <c>\9</c> for its groups.</summary>
    ReplacePattern,
}
