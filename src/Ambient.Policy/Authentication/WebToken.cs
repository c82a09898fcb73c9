using System.Buffers;
using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Ambient.Policy.Authentication;

/// <summary>
/// A JSON Web Token in compact form (RFC 7519, RFC 7515 section 7.1), read and not verified: nothing that it says counts before
/// <see cref="TokenCheck"/> has looked at it.
/// </summary>
public sealed class WebToken
{
    /// <summary>Most characters of a token. What identity providers issue is a tenth of it.</summary>
    public const int MaxLength = 16 * 1024;

    private static readonly SearchValues<char> s_alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private WebToken(string algorithm, string? keyId, ClaimValue claims, byte[] signedBytes, byte[] signature, string payload)
    {
        Algorithm = algorithm;
        KeyId = keyId;
        Claims = claims;
        SignedBytes = signedBytes;
        Signature = signature;
        Payload = payload;
    }

    /// <summary>Algorithm of the signature: RS, PS, ES or HS with 256, 384 or 512 (RFC 7518 section 3.1).</summary>
    public string Algorithm { get; }

    /// <summary>Which of the issuer's keys it names; null: none.</summary>
    public string? KeyId { get; }

    /// <summary><c>iss</c>; empty where it says none.</summary>
    public string Issuer { get; private init; } = "";

    /// <summary><c>sub</c>; null where it says none.</summary>
    public string? Subject { get; private init; }

    /// <summary><c>aud</c>; empty where it says none.</summary>
    public ImmutableArray<string> Audiences { get; private init; } = [];

    /// <summary><c>exp</c> in seconds since 1970; null: it does not expire.</summary>
    public ulong? ExpiresAt { get; private init; }

    /// <summary><c>nbf</c> in seconds since 1970; null: it always was valid.</summary>
    public ulong? NotBefore { get; private init; }

    /// <summary>The payload as it stands in the token, in base64url.</summary>
    public string Payload { get; }

    /// <summary>About what it takes in memory, in bytes.</summary>
    public int Size => 512 + (SignedBytes.Length * 4);

    internal ClaimValue Claims { get; }

    /// <summary>What is signed: header and payload with a dot between.</summary>
    internal byte[] SignedBytes { get; }

    internal byte[] Signature { get; }

    /// <summary>Reads a token. <see cref="TokenStatus.Valid"/> says that it can be read, and no more.</summary>
    /// <param name="text">The token.</param>
    /// <param name="token">What it says; null where it cannot be read.</param>
    public static TokenStatus Read(string text, out WebToken? token)
    {
        ArgumentNullException.ThrowIfNull(text);
        token = null;
        var (first, last) = (text.IndexOf('.'), text.LastIndexOf('.'));
        if (text.Length > MaxLength || first <= 0 || last <= first + 1 || last == text.Length - 1 || text.AsSpan(first + 1, last - first - 1).Contains('.'))
        {
            return TokenStatus.BadFormat;
        }

        if (Decode(text.AsSpan(0, first)) is not { } header)
        {
            return TokenStatus.HeaderNotBase64;
        }

        if (ClaimValue.TryReadObject(header) is not { } head)
        {
            return TokenStatus.HeaderNotJson;
        }

        if (head.Members.GetValueOrDefault("alg")?.Text is not { } algorithm)
        {
            return TokenStatus.HeaderBadAlgorithm;
        }

        if (!KeyAlgorithms.IsKnown(algorithm))
        {
            return TokenStatus.HeaderUnknownAlgorithm;
        }

        var key = head.Members.GetValueOrDefault("kid");
        if (key is { Text: null })
        {
            return TokenStatus.HeaderBadKeyId;
        }

        var payload = text[(first + 1)..last];
        if (Decode(payload) is not { } body)
        {
            return TokenStatus.PayloadNotBase64;
        }

        if (ClaimValue.TryReadObject(body) is not { } claims)
        {
            return TokenStatus.PayloadNotJson;
        }

        var status = ReadClaims(claims, out var known);
        if (status != TokenStatus.Valid)
        {
            return status;
        }

        if (Decode(text.AsSpan(last + 1)) is not { } signature)
        {
            return TokenStatus.SignatureNotBase64;
        }

        // An extension that must be understood is not (RFC 7515 section 4.1.11): it may change what is signed.
        if (head.Members.ContainsKey("crit"))
        {
            return TokenStatus.VerificationFailed;
        }

        token = new WebToken(algorithm, key is { Text.Length: > 0 } ? key.Text : null, claims, Encoding.ASCII.GetBytes(text, 0, last), signature, payload)
        {
            Issuer = known.Issuer ?? "",
            Subject = known.Subject,
            Audiences = known.Audiences,
            ExpiresAt = known.ExpiresAt,
            NotBefore = known.NotBefore,
        };
        return TokenStatus.Valid;
    }

    private static TokenStatus ReadClaims(ClaimValue claims, out KnownClaims known)
    {
        known = new KnownClaims { Audiences = [] };
        if (!TryText(claims, "iss", out var issuer))
        {
            return TokenStatus.IssuerNotString;
        }

        if (!TryText(claims, "sub", out var subject))
        {
            return TokenStatus.SubjectNotString;
        }

        if (Seconds(claims, "iat", out _, TokenStatus.IssuedAtNotInteger, TokenStatus.IssuedAtOutOfRange) is var issued and not TokenStatus.Valid)
        {
            return issued;
        }

        if (Seconds(claims, "nbf", out var notBefore, TokenStatus.NotBeforeNotInteger, TokenStatus.NotBeforeOutOfRange) is var begin and not TokenStatus.Valid)
        {
            return begin;
        }

        if (Seconds(claims, "exp", out var expiresAt, TokenStatus.ExpiryNotInteger, TokenStatus.ExpiryOutOfRange) is var end and not TokenStatus.Valid)
        {
            return end;
        }

        if (!TryText(claims, "jti", out _))
        {
            return TokenStatus.TokenIdNotString;
        }

        var audience = claims.Members.GetValueOrDefault("aud");
        if (audience is not null && audience.Type != JsonTokenType.String && !(audience.Type == JsonTokenType.StartArray && audience.Texts.Length == audience.Count))
        {
            return TokenStatus.AudienceNotString;
        }

        known = new KnownClaims { Issuer = issuer, Subject = subject, NotBefore = notBefore, ExpiresAt = expiresAt, Audiences = audience?.Texts ?? [] };
        return TokenStatus.Valid;
    }

    private static bool TryText(ClaimValue claims, string name, out string? text)
    {
        var value = claims.Members.GetValueOrDefault(name);
        text = value?.Text;
        return value is null || text is not null;
    }

    private static TokenStatus Seconds(ClaimValue claims, string name, out ulong? seconds, TokenStatus notInteger, TokenStatus outOfRange)
    {
        seconds = null;
        if (claims.Members.GetValueOrDefault(name) is not { } value)
        {
            return TokenStatus.Valid;
        }

        if (value.Type != JsonTokenType.Number)
        {
            return notInteger;
        }

        if (!(value.Number >= 0 && value.Number < ulong.MaxValue))
        {
            return outOfRange;
        }

        seconds = (ulong)value.Number;
        return TokenStatus.Valid;
    }

    /// <summary>Without padding or blanks, as RFC 7515 section 2 has it; null: it is something else.</summary>
    private static byte[]? Decode(ReadOnlySpan<char> text)
    {
        if (text.ContainsAnyExcept(s_alphabet) || text.Length % 4 == 1)
        {
            return null;
        }

        try
        {
            return Base64Url.DecodeFromChars(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private readonly record struct KnownClaims
    {
        public string? Issuer { get; init; }

        public string? Subject { get; init; }

        public ImmutableArray<string> Audiences { get; init; }

        public ulong? ExpiresAt { get; init; }

        public ulong? NotBefore { get; init; }
    }
}
