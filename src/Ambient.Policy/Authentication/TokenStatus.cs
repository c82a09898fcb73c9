namespace Ambient.Policy.Authentication;

/// <summary>What came of looking at a token.</summary>
public enum TokenStatus
{
    /// <summary>Nobody has said yet. The status of nothing that was decided.</summary>
    Undecided,

    /// <summary>Verified.</summary>
    Valid,

    /// <summary>There is no token.</summary>
    Missing,

    /// <summary>Not three parts with dots between, or longer than <see cref="WebToken.MaxLength"/>.</summary>
    BadFormat,

    /// <summary>The header is not base64url.</summary>
    HeaderNotBase64,

    /// <summary>The header is not a JSON object.</summary>
    HeaderNotJson,

    /// <summary><c>alg</c> is missing or not a string.</summary>
    HeaderBadAlgorithm,

    /// <summary><c>alg</c> is none that is known here; <c>none</c> among them.</summary>
    HeaderUnknownAlgorithm,

    /// <summary><c>kid</c> is not a string.</summary>
    HeaderBadKeyId,

    /// <summary>The payload is not base64url.</summary>
    PayloadNotBase64,

    /// <summary>The payload is not a JSON object, or one of its objects has a name twice.</summary>
    PayloadNotJson,

    /// <summary><c>iss</c> is not a string.</summary>
    IssuerNotString,

    /// <summary><c>sub</c> is not a string.</summary>
    SubjectNotString,

    /// <summary><c>iat</c> is not a number.</summary>
    IssuedAtNotInteger,

    /// <summary><c>iat</c> is negative or too large.</summary>
    IssuedAtOutOfRange,

    /// <summary><c>nbf</c> is not a number.</summary>
    NotBeforeNotInteger,

    /// <summary><c>nbf</c> is negative or too large.</summary>
    NotBeforeOutOfRange,

    /// <summary><c>exp</c> is not a number.</summary>
    ExpiryNotInteger,

    /// <summary><c>exp</c> is negative or too large.</summary>
    ExpiryOutOfRange,

    /// <summary><c>jti</c> is not a string.</summary>
    TokenIdNotString,

    /// <summary><c>aud</c> is neither a string nor a list of strings.</summary>
    AudienceNotString,

    /// <summary>The signature is not base64url.</summary>
    SignatureNotBase64,

    /// <summary>No rule that looks where the token is has its issuer.</summary>
    UnknownIssuer,

    /// <summary>Its time has not come.</summary>
    NotYetValid,

    /// <summary>Its time is over.</summary>
    Expired,

    /// <summary>None of its audiences is one of the rule's. The only one that is answered with 403.</summary>
    AudienceNotAllowed,

    /// <summary>The issuer has no key of this <c>kid</c> and <c>alg</c>.</summary>
    NoKey,

    /// <summary>No key of the issuer's has made the signature, or the token asks for what is not understood (<c>crit</c>).</summary>
    VerificationFailed,

    /// <summary>The issuer's keys could not be fetched.</summary>
    KeysNotFetched,

    /// <summary>The issuer's key set has no key that can be used, or cannot be read.</summary>
    NoUsableKeys,

    /// <summary>The request has more tokens than are looked at (<see cref="FoundTokens.MaxTokens"/>).</summary>
    TooManyTokens,

    /// <summary>Too many tokens wait to be verified. The only one that is answered with 503.</summary>
    Busy,
}

/// <summary>How a status is told to clients: as Envoy does, letter for letter, which is what their tests and dashboards know.</summary>
public static class TokenStatusText
{
    /// <summary>HTTP status that a request with such a token is answered with; 200 where it passes.</summary>
    public static int HttpStatus(this TokenStatus status) => status switch
    {
        TokenStatus.Valid or TokenStatus.Missing => 200,
        TokenStatus.AudienceNotAllowed => 403,
        TokenStatus.Busy => 503,
        _ => 401,
    };

    /// <summary>The answer's body.</summary>
    public static string Text(this TokenStatus status) => status switch
    {
        TokenStatus.Valid => "OK",
        TokenStatus.Missing => "Jwt is missing",
        TokenStatus.BadFormat => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        TokenStatus.HeaderNotBase64 => "Jwt header is an invalid Base64url encoded",
        TokenStatus.HeaderNotJson => "Jwt header is an invalid JSON",
        TokenStatus.HeaderBadAlgorithm => "Jwt header [alg] field is required and must be a string",
        TokenStatus.HeaderUnknownAlgorithm => "Jwt header [alg] is not supported",
        TokenStatus.HeaderBadKeyId => "Jwt header [kid] field is not a string",
        TokenStatus.PayloadNotBase64 => "Jwt payload is an invalid Base64url encoded",
        TokenStatus.PayloadNotJson => "Jwt payload is an invalid JSON",
        TokenStatus.IssuerNotString => "Jwt payload [iss] field is not a string",
        TokenStatus.SubjectNotString => "Jwt payload [sub] field is not a string",
        TokenStatus.IssuedAtNotInteger => "Jwt payload [iat] field is not an integer",
        TokenStatus.IssuedAtOutOfRange => "Jwt payload [iat] field is not a positive 64 bit integer",
        TokenStatus.NotBeforeNotInteger => "Jwt payload [nbf] field is not an integer",
        TokenStatus.NotBeforeOutOfRange => "Jwt payload [nbf] field is not a positive 64 bit integer",
        TokenStatus.ExpiryNotInteger => "Jwt payload [exp] field is not an integer",
        TokenStatus.ExpiryOutOfRange => "Jwt payload [exp] field is not a positive 64 bit integer",
        TokenStatus.TokenIdNotString => "Jwt payload [jti] field is not a string",
        TokenStatus.AudienceNotString => "Jwt payload [aud] field is not a string or string list",
        TokenStatus.SignatureNotBase64 => "Jwt signature is an invalid Base64url encoded",
        TokenStatus.UnknownIssuer => "Jwt issuer is not configured",
        TokenStatus.NotYetValid => "Jwt not yet valid",
        TokenStatus.Expired => "Jwt is expired",
        TokenStatus.AudienceNotAllowed => "Audiences in Jwt are not allowed",
        TokenStatus.NoKey => "Jwks doesn't have key to match kid or alg from Jwt",
        TokenStatus.KeysNotFetched => "Jwks remote fetch is failed",
        TokenStatus.NoUsableKeys => "Jwks doesn't have any valid public key",
        TokenStatus.TooManyTokens => "Found multiple Jwt tokens",
        TokenStatus.Busy => "too many Jwt to verify",
        _ => "Jwt verification fails",
    };
}
