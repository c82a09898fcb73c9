using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text.Json;
using Ambient.Policy.Authentication;
using Microsoft.IdentityModel.Tokens;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// Reads JSON Web Key Sets (RFC 7517 section 5). Keys that are for something else than signatures, of a kind that is not known, or malformed are passed
/// over, as section 5 asks; a set without any other is none.
/// </summary>
internal static class JsonWebKeys
{
    /// <summary>Most bytes of a set.</summary>
    public const int MaxBytes = 256 * 1024;

    /// <summary>Most keys of a set. Those beyond are passed over.</summary>
    public const int MaxKeys = 100;

    // To verify costs the square of it, and a public exponent beyond a word its length again.
    private const int MaxModulus = 8192 / 8;
    private const int MaxExponent = 8;

    /// <summary>Reads a set. Null: it has no key that can be used; <paramref name="problem"/> says why.</summary>
    public static VerificationKeys? Read(string text, out string problem)
    {
        problem = "";
        if (text.Length > MaxBytes)
        {
            problem = $"more than {MaxBytes} bytes";
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind != JsonValueKind.Array)
            {
                problem = "not an object with a list \"keys\"";
                return null;
            }

            var keys = list.EnumerateArray().Take(MaxKeys).Select(TryReadKey).OfType<VerificationKey>().ToImmutableArray();
            if (keys.IsEmpty)
            {
                problem = $"none of its {list.GetArrayLength()} keys can be used";
                return null;
            }

            return new VerificationKeys(keys);
        }
        catch (JsonException e)
        {
            // Where, but not what: the text is not ours, and one of a shared secret is nobody's to read.
            problem = $"not JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})";
            return null;
        }
        catch (ArgumentException)
        {
            problem = "not JSON: half a character";
            return null;
        }
    }

    private static VerificationKey? TryReadKey(JsonElement element)
    {
        try
        {
            var key = new JsonWebKey(element.GetRawText());
            if (key.Use is { Length: > 0 } and not "sig" || (key.KeyOps.Count > 0 && !key.KeyOps.Contains("verify")) || KindOf(key) is not { } kind
                || !IsOf(kind, key.Alg))
            {
                return null;
            }

            if (kind == KeyKind.Ed25519)
            {
                return new EdwardsKey(key.Kid, key.Alg, Base64Url.DecodeFromChars(key.X));
            }

            if (!JsonWebKeyConverter.TryConvertToSecurityKey(key, out var security))
            {
                return null;
            }

            return new IssuerKey(kind, key.Kid, key.Alg, security);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever a library makes of somebody's bytes, this key is none.
            return null;
        }
    }

    private static KeyKind? KindOf(JsonWebKey key) => key.Kty switch
    {
        "RSA" when Length(key.N) <= MaxModulus && Length(key.E) <= MaxExponent => KeyKind.Rsa,
        "EC" => key.Crv switch { "P-256" => KeyKind.P256, "P-384" => KeyKind.P384, "P-521" => KeyKind.P521, _ => null },
        "oct" => KeyKind.Secret,

        // RFC 8037 section 2. The others of this type agree on keys, or are not the original's.
        "OKP" when key.Crv == "Ed25519" => KeyKind.Ed25519,
        _ => null,
    };

    private static int Length(string? base64) => (base64?.Length ?? 0) * 3 / 4;

    private static bool IsOf(KeyKind kind, string? algorithm) => string.IsNullOrEmpty(algorithm) || algorithm switch
    {
        "RS256" or "RS384" or "RS512" or "PS256" or "PS384" or "PS512" => kind == KeyKind.Rsa,
        "ES256" => kind == KeyKind.P256,
        "ES384" => kind == KeyKind.P384,
        "ES512" => kind == KeyKind.P521,
        "HS256" or "HS384" or "HS512" => kind == KeyKind.Secret,
        "EdDSA" => kind == KeyKind.Ed25519,
        _ => false,
    };
}
