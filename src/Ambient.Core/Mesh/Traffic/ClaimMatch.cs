using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>A comparison of what the request's verified token says. Where there is no such token, no claim is there.</summary>
/// <param name="Path">Names of objects from the outside in, and of the claim: one name of a claim of the payload itself.</param>
/// <param name="Value">The claim's text, or one of a list.</param>
public sealed record ClaimMatch(ImmutableArray<string> Path, TextMatch Value)
{
    /// <summary>Whether the comparison must fail, as it does where the claim is not there.</summary>
    public bool IsInverted { get; init; }

    /// <summary>Whether every field is equal, the path by content.</summary>
    public bool Equals(ClaimMatch? other) =>
        other is not null && Value == other.Value && IsInverted == other.IsInverted && StructuralEquality.Same(Path, other.Path);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Path.Length, Value, IsInverted);
}
