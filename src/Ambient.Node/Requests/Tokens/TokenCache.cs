using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// Tokens whose signature was verified, by their hash: the token itself is not kept. Bounded in entries and bytes: what has not been asked for since
/// half of the room was filled anew goes. Whether a token is still valid is asked each time (<see cref="TokenCheck.CheckClaims"/>), and a
/// signature counts only while the keys are those that it was verified by.
/// </summary>
/// <param name="maxEntries">Most entries.</param>
/// <param name="maxBytes">Most bytes, about.</param>
internal sealed class TokenCache(int maxEntries = 4096, int maxBytes = 8 * 1024 * 1024)
{
    // By rule: the same token may be verified at several places.
    private const int MaxRules = 8;

    private readonly Lock _gate = new();
    private Dictionary<Key, Entry> _young = [];
    private Dictionary<Key, Entry> _old = [];
    private int _youngBytes;

    /// <summary>How many tokens are known.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _young.Count + _old.Count;
            }
        }
    }

    /// <summary>Hash of a token.</summary>
    public static Key KeyOf(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan()), hash);
        return MemoryMarshal.Read<Key>(hash);
    }

    /// <summary>A token that some rule's keys have verified; null: none has.</summary>
    public Entry? Find(in Key key)
    {
        lock (_gate)
        {
            if (_young.TryGetValue(key, out var entry))
            {
                return entry;
            }

            if (_old.Remove(key, out entry))
            {
                Put(key, entry);
            }

            return entry;
        }
    }

    /// <summary>Keeps a token that was verified.</summary>
    public void Keep(in Key key, WebToken token, in Verified verified)
    {
        lock (_gate)
        {
            var known = _young.TryGetValue(key, out var entry) || _old.Remove(key, out entry) ? entry!.Verified : [];
            var rule = verified.Claims.Rule;
            known = known.RemoveAll(other => other.Claims.Rule.Equals(rule));
            Put(key, new Entry(token, (known.Length < MaxRules ? known : known.RemoveAt(0)).Add(verified)));
        }
    }

    private void Put(in Key key, Entry entry)
    {
        if (_young.Count >= maxEntries / 2 || _youngBytes + entry.Token.Size > maxBytes / 2)
        {
            (_old, _young, _youngBytes) = (_young, [], 0);
        }

        if (_young.TryAdd(key, entry))
        {
            _youngBytes += entry.Token.Size;
        }
        else
        {
            _young[key] = entry;
        }
    }

    /// <summary>Hash of a token.</summary>
    internal readonly record struct Key(long A, long B, long C, long D);

    /// <summary>By which rule and keys a token was verified, and what it says by that rule.</summary>
    internal readonly record struct Verified(VerificationKeys Keys, TokenClaims Claims);

    /// <summary>A token, and the rules that it was verified by.</summary>
    internal sealed record Entry(WebToken Token, ImmutableArray<Verified> Verified)
    {
        /// <summary>What it says by a rule, if these keys have verified it; null: they have not.</summary>
        public TokenClaims? ClaimsBy(JwtRule rule, VerificationKeys keys)
        {
            foreach (var verified in Verified)
            {
                if (ReferenceEquals(verified.Keys, keys) && verified.Claims.Rule.Equals(rule))
                {
                    return verified.Claims;
                }
            }

            return null;
        }
    }
}
