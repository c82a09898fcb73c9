using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// How the tokens of one issuer are found, verified and passed on: a JWTRule of a RequestAuthentication
/// (https://istio.io/latest/docs/reference/config/security/request_authentication/#JWTRule).
/// </summary>
public sealed record JwtRule
{
    /// <summary>Where a rule looks that does not say where.</summary>
    public static ImmutableArray<TokenLocation> UsualLocations { get; } = [new(TokenPart.Header, "authorization", "Bearer "), new(TokenPart.Parameter, "access_token")];

    /// <summary>What <c>iss</c> of a token must be, letter for letter.</summary>
    public required string Issuer { get; init; }

    /// <summary>One of these must be in <c>aud</c>; empty: it is not looked at.</summary>
    public ImmutableArray<string> Audiences { get; init; } = [];

    /// <summary>The issuer's keys, a JSON Web Key Set (RFC 7517 section 5) as text; null: they are fetched.</summary>
    public string? Jwks { get; init; }

    /// <summary>Where keys are fetched, where <see cref="Jwks"/> does not say them. Null: the issuer's OpenID configuration says where.</summary>
    public string? JwksUri { get; init; }

    /// <summary>Where tokens are looked for.</summary>
    public ImmutableArray<TokenLocation> Locations { get; init; } = UsualLocations;

    /// <summary>Whether a valid token stays in the request. Default false: it is taken out.</summary>
    public bool ForwardOriginalToken { get; init; }

    /// <summary>The header that gets the payload of a valid token, as it stands in the token; null: none.</summary>
    public string? OutputPayloadToHeader { get; init; }

    /// <summary>Headers that get claims of a valid token.</summary>
    public ImmutableArray<ClaimHeader> OutputClaimToHeaders { get; init; } = [];

    /// <summary>How long a fetch of keys may take. Default 5 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Claims whose text is a list with blanks between, besides <c>scope</c> and <c>permission</c>, which always are.</summary>
    public ImmutableArray<string> SpaceDelimitedClaims { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(JwtRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Issuer == other.Issuer
            && StructuralEquality.Same(Audiences, other.Audiences)
            && Jwks == other.Jwks
            && JwksUri == other.JwksUri
            && StructuralEquality.Same(Locations, other.Locations)
            && ForwardOriginalToken == other.ForwardOriginalToken
            && OutputPayloadToHeader == other.OutputPayloadToHeader
            && StructuralEquality.Same(OutputClaimToHeaders, other.OutputClaimToHeaders)
            && Timeout == other.Timeout
            && StructuralEquality.Same(SpaceDelimitedClaims, other.SpaceDelimitedClaims));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Issuer, Audiences.Length, Jwks?.Length, JwksUri, Locations.Length);
}

/// <summary>A header that gets a claim of a valid token.</summary>
/// <param name="Header">Name of the header. Whatever the client says there itself is taken out.</param>
/// <param name="Claim">The claim, with dots between the names of nested ones.</param>
public sealed record ClaimHeader(string Header, string Claim);
