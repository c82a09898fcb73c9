using System.Collections.Immutable;

namespace Ambient.Policy.Authentication;

/// <summary>The keys of an issuer at one time.</summary>
/// <param name="keys">The keys, in the order of the set.</param>
public sealed class VerificationKeys(ImmutableArray<VerificationKey> keys)
{
    /// <summary>
    /// Most keys that one token is tried with. A token that names its key meets one; of one that does not, the work is bounded, for whoever sends it
    /// has shown nothing yet.
    /// </summary>
    public const int MaxTries = 16;

    /// <summary>The keys.</summary>
    public ImmutableArray<VerificationKey> Keys { get; } = keys;

    /// <summary>
    /// Whether one of the keys has signed a token: that of its <c>kid</c>, or any where either has none; of its <c>alg</c> where the key says one.
    /// </summary>
    public TokenStatus Verify(WebToken token)
    {
        ArgumentNullException.ThrowIfNull(token);
        var (matched, tries) = (false, 0);
        var kind = KeyAlgorithms.KindOf(token.Algorithm);
        foreach (var key in Keys.AsSpan())
        {
            if ((token.KeyId is not null && key.KeyId is not null && key.KeyId != token.KeyId) || (key.Algorithm is not null && key.Algorithm != token.Algorithm))
            {
                continue;
            }

            matched = true;
            if (key.Kind != kind)
            {
                continue;
            }

            if (key.Verify(token.Algorithm, token.SignedBytes, token.Signature))
            {
                return TokenStatus.Valid;
            }

            if (++tries == MaxTries)
            {
                break;
            }
        }

        return matched ? TokenStatus.VerificationFailed : TokenStatus.NoKey;
    }
}

/// <summary>The keys of a rule's issuer, or why there are none.</summary>
/// <param name="Keys">The keys; null: there are none.</param>
/// <param name="Status">Why there are none; <see cref="TokenStatus.Valid"/> where there are.</param>
public readonly record struct KeyLookup(VerificationKeys? Keys, TokenStatus Status);
