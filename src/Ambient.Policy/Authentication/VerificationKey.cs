namespace Ambient.Policy.Authentication;

/// <summary>Kind of a key, as far as it decides which algorithms may use it.</summary>
public enum KeyKind
{
    /// <summary>RSA: RS256 to PS512.</summary>
    Rsa,

    /// <summary>Elliptic curve P-256: ES256.</summary>
    P256,

    /// <summary>Elliptic curve P-384: ES384.</summary>
    P384,

    /// <summary>Elliptic curve P-521: ES512.</summary>
    P521,

    /// <summary>A shared secret: HS256 to HS512.</summary>
    Secret,

    /// <summary>Edwards curve Ed25519: EdDSA (RFC 8037).</summary>
    Ed25519,
}

/// <summary>One key of an issuer. How a signature is computed is for whoever made the key; which key may verify what is decided here.</summary>
/// <param name="kind">Kind.</param>
/// <param name="keyId">Its name; null: none.</param>
/// <param name="algorithm">The one algorithm that it is for; null: any that its kind allows.</param>
public abstract class VerificationKey(KeyKind kind, string? keyId, string? algorithm)
{
    /// <summary>Kind.</summary>
    public KeyKind Kind { get; } = kind;

    /// <summary>Its name (<c>kid</c>); null: none.</summary>
    public string? KeyId { get; } = string.IsNullOrEmpty(keyId) ? null : keyId;

    /// <summary>The one algorithm that it is for (<c>alg</c>); null: any that its kind allows.</summary>
    public string? Algorithm { get; } = string.IsNullOrEmpty(algorithm) ? null : algorithm;

    /// <summary>Whether this key has made a signature. Called from many threads, and only for algorithms of its <see cref="Kind"/>.</summary>
    /// <param name="algorithm">Algorithm, as RFC 7518 section 3.1 and RFC 8037 section 3.1 name it.</param>
    /// <param name="input">What was signed.</param>
    /// <param name="signature">Signature.</param>
    public abstract bool Verify(string algorithm, byte[] input, byte[] signature);
}

/// <summary>Which algorithms are known, and what keys each is for.</summary>
internal static class KeyAlgorithms
{
    internal static bool IsKnown(string algorithm) => KindOf(algorithm) is not null;

    /// <summary>
    /// Kind of key that an algorithm needs. One of another kind never verifies, whatever the token says: a public key, which everybody has, would else
    /// pass for a shared secret (RFC 8725 section 2.1).
    /// </summary>
    internal static KeyKind? KindOf(string algorithm) => algorithm switch
    {
        "RS256" or "RS384" or "RS512" or "PS256" or "PS384" or "PS512" => KeyKind.Rsa,
        "ES256" => KeyKind.P256,
        "ES384" => KeyKind.P384,
        "ES512" => KeyKind.P521,
        "HS256" or "HS384" or "HS512" => KeyKind.Secret,
        "EdDSA" => KeyKind.Ed25519,
        _ => null,
    };
}
