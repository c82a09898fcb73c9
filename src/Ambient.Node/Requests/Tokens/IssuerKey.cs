using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ambient.Policy.Authentication;
using Microsoft.IdentityModel.Tokens;

namespace Ambient.Node.Requests.Tokens;

/// <summary>A key as Microsoft.IdentityModel verifies with it.</summary>
internal sealed class IssuerKey : VerificationKey
{
    // Without the cache of the library's own, which has a thread and holds keys for ever: each key keeps its few providers.
    private static readonly CryptoProviderFactory s_factory = new() { CacheSignatureProviders = false };

    private readonly ConcurrentDictionary<string, SignatureProvider> _providers = new(StringComparer.Ordinal);
    private readonly SecurityKey _key;

    /// <summary>Takes over a key.</summary>
    /// <exception cref="Exception">The key cannot be used, whatever of the many reasons it is.</exception>
    public IssuerKey(KeyKind kind, string? keyId, string? algorithm, SecurityKey key)
        : base(kind, keyId, algorithm)
    {
        _key = key;

        // Now, and not with the first token: what cannot be used is not in the set.
        Provider(Algorithm ?? kind switch
        {
            KeyKind.Rsa => SecurityAlgorithms.RsaSha256,
            KeyKind.P256 => SecurityAlgorithms.EcdsaSha256,
            KeyKind.P384 => SecurityAlgorithms.EcdsaSha384,
            KeyKind.P521 => SecurityAlgorithms.EcdsaSha512,
            _ => SecurityAlgorithms.HmacSha256,
        });
    }

    /// <inheritdoc/>
    public override bool Verify(string algorithm, byte[] input, byte[] signature)
    {
        try
        {
            return signature.Length > 0 && Provider(algorithm).Verify(input, signature);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException or InvalidOperationException)
        {
            // A signature that the key cannot even be asked about, or a secret that is too short for this algorithm.
            return false;
        }
    }

    private SignatureProvider Provider(string algorithm) =>
        _providers.TryGetValue(algorithm, out var provider) ? provider : _providers.GetOrAdd(algorithm, s_factory.CreateForVerifying(_key, algorithm));
}
