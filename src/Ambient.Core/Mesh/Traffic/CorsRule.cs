using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>What browsers may do with answers that pages of other origins ask for (https://fetch.spec.whatwg.org/#http-cors-protocol).</summary>
public sealed record CorsRule
{
    /// <summary>Origins that may; none: nobody may.</summary>
    public ImmutableArray<OriginMatch> AllowOrigins { get; init; } = [];

    /// <summary>For <c>access-control-allow-methods</c>; <c>*</c> is every one.</summary>
    public ImmutableArray<string> AllowMethods { get; init; } = [];

    /// <summary>For <c>access-control-allow-headers</c>; <c>*</c> is every one.</summary>
    public ImmutableArray<string> AllowHeaders { get; init; } = [];

    /// <summary>For <c>access-control-expose-headers</c>.</summary>
    public ImmutableArray<string> ExposeHeaders { get; init; } = [];

    /// <summary>For <c>access-control-max-age</c>; null: not said.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Whether credentials may be sent.</summary>
    public bool AllowsCredentials { get; init; }

    /// <summary>Whether a preflight of an origin that may not is sent to the backend; else it is answered here, without permission.</summary>
    public bool ForwardsOtherPreflights { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(CorsRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && MaxAge == other.MaxAge
            && AllowsCredentials == other.AllowsCredentials
            && ForwardsOtherPreflights == other.ForwardsOtherPreflights
            && StructuralEquality.Same(AllowOrigins, other.AllowOrigins)
            && StructuralEquality.Same(AllowMethods, other.AllowMethods)
            && StructuralEquality.Same(AllowHeaders, other.AllowHeaders)
            && StructuralEquality.Same(ExposeHeaders, other.ExposeHeaders));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(AllowOrigins.Length, AllowMethods.Length, AllowHeaders.Length, MaxAge, AllowsCredentials);
}

/// <summary>How an origin is compared.</summary>
public enum OriginMatchKind
{
    /// <summary>All of it.</summary>
    Exact,

    /// <summary>Its beginning.</summary>
    Prefix,

    /// <summary>Regular expression over the whole of it.</summary>
    RegularExpression,

    /// <summary>Scheme, any labels in place of the <c>*</c> at the beginning of the host, and the rest: <c>https://*.example.com</c>.</summary>
    Wildcard,

    /// <summary>Every origin.</summary>
    Any,
}

/// <summary>A comparison of an origin.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what; empty for <see cref="OriginMatchKind.Any"/>.</param>
public readonly record struct OriginMatch(OriginMatchKind Kind, string Value);
