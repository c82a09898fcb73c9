using System.Net;
using Ambient.Hbone.Admission;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Policy.Authentication;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// Decides about requests' tokens (<see cref="RequestAuthenticator"/>): from what is known at once, where it suffices, else by verifying them on threads
/// that carry no requests, a few at a time. One for a process.
/// </summary>
internal sealed class TokenVerifier : IDisposable
{
    /// <summary>
    /// Most requests that wait for their tokens to be verified, and as many again that wait for the keys of issuers to come. Who sends tokens has shown
    /// nothing yet, so what they can have us do is bounded, and those who come when there is too much to do are told so (503). Addresses share the former and
    /// issuers the latter: one that sends without end, or does not answer, gets half of it alone, and never takes what others need
    /// (<see cref="FairShare{TKey}"/>).
    /// </summary>
    public const int MaxWaiting = 1024;

    private readonly TokenCache _cache = new();
    private readonly IssuerKeys _keys;
    private readonly TokenMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _turns = new(Math.Max(1, Environment.ProcessorCount / 2));
    private readonly Memory _memory;
    private readonly FairShare<string> _fetches = new(MaxWaiting);
    private readonly FairShare<AddressKey> _waiting = new(MaxWaiting);

    /// <summary>Creates the verifier.</summary>
    /// <param name="fetcher">Fetches keys.</param>
    /// <param name="metrics">What counts.</param>
    /// <param name="logger">Where it is said which keys could not be had.</param>
    /// <param name="time">Clock: that of tokens, too.</param>
    public TokenVerifier(KeyFetcher fetcher, TokenMetrics metrics, ILogger logger, TimeProvider time)
    {
        _keys = new IssuerKeys(fetcher, metrics, logger, time);
        _metrics = metrics;
        _time = time;
        _memory = new Memory(this);
    }

    /// <summary>How many tokens are known.</summary>
    public int Known => _cache.Count;

    /// <summary>Requests that wait for an issuer's keys to come.</summary>
    public long WaitingForKeys => _fetches.Held;

    /// <summary>Decides by what is known. False: something has to be verified (<see cref="DecideAsync"/>).</summary>
    public bool TryDecide(TokenRules rules, FoundTokens found, out AuthenticationDecision decision)
    {
        decision = RequestAuthenticator.Decide(rules, found, _memory);
        if (decision.Status == TokenStatus.Undecided)
        {
            return false;
        }

        if (!found.IsEmpty)
        {
            _metrics.Decided(decision, known: true);
        }

        return true;
    }

    /// <summary>Decides, whatever it takes. Goes on on a thread of the pool.</summary>
    /// <param name="rules">The rules.</param>
    /// <param name="found">The tokens.</param>
    /// <param name="source">Who sends them.</param>
    public async ValueTask<AuthenticationDecision> DecideAsync(TokenRules rules, FoundTokens found, IPAddress source)
    {
        using var place = new Place(_waiting, AddressKey.Of(source));
        var decision = place.TryEnter()
            ? await Task.Run(() => VerifyAsync(rules, found, place)).ConfigureAwait(false)
            : AuthenticationDecision.Refused(rules.Rules[found.Tokens[0].Rule], TokenStatus.Busy);

        _metrics.Decided(decision, known: false);
        return decision;
    }

    /// <inheritdoc/>
    public void Dispose() => _keys.Dispose();

    private async Task<AuthenticationDecision> VerifyAsync(TokenRules rules, FoundTokens found, Place place)
    {
        var looked = new Look(this);
        foreach (var token in found.Tokens)
        {
            var rule = rules.Rules[token.Rule].Rule;

            // Of an issuer that the token is not by, nothing is needed.
            if (looked.NeedsKeys(rule, token.Text) && await FetchedAsync(rule, _keys.GetAsync(rule), place).ConfigureAwait(false) is null)
            {
                return AuthenticationDecision.Refused(rules.Rules[token.Rule], TokenStatus.Busy);
            }
        }

        var decision = await DecideInTurnAsync(rules, found, looked).ConfigureAwait(false);
        if (decision.Status != TokenStatus.NoKey)
        {
            return decision;
        }

        // Other keys than it was looked for in: they may have come meanwhile, for somebody else.
        var missing = decision.Rule!.Rule;
        var renewed = await FetchedAsync(missing, _keys.RenewAsync(missing), place).ConfigureAwait(false);
        return renewed is null ? AuthenticationDecision.Refused(decision.Rule, TokenStatus.Busy)
            : renewed.Value.Keys is { } keys && !ReferenceEquals(keys, looked.LookedIn(missing)) ? await DecideInTurnAsync(rules, found, looked).ConfigureAwait(false)
            : decision;
    }

    /// <summary>Waits for keys in the place that those have who do, and not in that of those who have something to do. Null: there are too many.</summary>
    private async ValueTask<KeyLookup?> FetchedAsync(JwtRule rule, ValueTask<KeyLookup> keys, Place place)
    {
        if (keys.IsCompleted)
        {
            return await keys.ConfigureAwait(false);
        }

        var issuer = rule.JwksUri ?? rule.Issuer;
        if (!_fetches.TryTake(issuer, 1))
        {
            // The fetch goes on; nobody waits for it here.
            _ = keys.AsTask();
            return null;
        }

        place.Leave();
        try
        {
            var fetched = await keys.ConfigureAwait(false);
            return place.TryEnter() ? fetched : null;
        }
        finally
        {
            _fetches.Give(issuer, 1);
        }
    }

    private async Task<AuthenticationDecision> DecideInTurnAsync(TokenRules rules, FoundTokens found, Look look)
    {
        await _turns.WaitAsync().ConfigureAwait(false);
        try
        {
            return RequestAuthenticator.Decide(rules, found, look);
        }
        finally
        {
            _turns.Release();
        }
    }

    /// <summary>A request's place among those that wait for something to be verified.</summary>
    private sealed class Place(FairShare<AddressKey> share, AddressKey source) : IDisposable
    {
        private bool _isIn;

        public bool TryEnter() => _isIn = share.TryTake(source, 1);

        public void Leave()
        {
            if (_isIn)
            {
                _isIn = false;
                share.Give(source, 1);
            }
        }

        public void Dispose() => Leave();
    }

    /// <summary>Judges by what is known already.</summary>
    private sealed class Memory(TokenVerifier verifier) : ITokenJudge
    {
        public TokenStatus Judge(TokenRule rule, string text, out TokenClaims? claims)
        {
            claims = null;
            if (text.Length > WebToken.MaxLength)
            {
                return TokenStatus.BadFormat;
            }

            if (verifier._cache.Find(TokenCache.KeyOf(text)) is not { } entry)
            {
                return TokenStatus.Undecided;
            }

            var status = TokenCheck.CheckClaims(entry.Token, rule.Rule, verifier._time.GetUtcNow());
            if (status != TokenStatus.Valid)
            {
                return status;
            }

            claims = verifier._keys.Known(rule.Rule).Keys is { } keys ? entry.ClaimsBy(rule.Rule, keys) : null;
            return claims is null ? TokenStatus.Undecided : TokenStatus.Valid;
        }
    }

    /// <summary>Judges by looking at the tokens of one request, each of which is read once.</summary>
    private sealed class Look(TokenVerifier verifier) : ITokenJudge
    {
        private readonly Dictionary<string, (TokenStatus Status, WebToken? Token)> _read = new(StringComparer.Ordinal);
        private readonly Dictionary<JwtRule, VerificationKeys?> _keys = new(ReferenceEqualityComparer.Instance);

        /// <summary>The keys that tokens of a rule were looked for in last; null: none.</summary>
        public VerificationKeys? LookedIn(JwtRule rule) => _keys.GetValueOrDefault(rule);

        public bool NeedsKeys(JwtRule rule, string text) =>
            Read(text).Token is { } token && TokenCheck.CheckClaims(token, rule, verifier._time.GetUtcNow()) == TokenStatus.Valid;

        public TokenStatus Judge(TokenRule rule, string text, out TokenClaims? claims)
        {
            claims = null;
            var (status, token) = Read(text);
            if (token is null)
            {
                return status;
            }

            status = TokenCheck.CheckClaims(token, rule.Rule, verifier._time.GetUtcNow());
            if (status != TokenStatus.Valid)
            {
                return status;
            }

            var keys = verifier._keys.Known(rule.Rule);
            _keys[rule.Rule] = keys.Keys;
            var hash = TokenCache.KeyOf(text);
            if (keys.Keys is { } known && verifier._cache.Find(hash)?.ClaimsBy(rule.Rule, known) is { } said)
            {
                claims = said;
                return TokenStatus.Valid;
            }

            // Forgotten between the two looks: a fetch that brought nothing.
            status = keys.Status == TokenStatus.Undecided ? TokenStatus.KeysNotFetched : TokenCheck.CheckSignature(token, keys);
            if (status == TokenStatus.Valid)
            {
                claims = new TokenClaims(rule.Rule, token);
                verifier._cache.Keep(hash, token, new TokenCache.Verified(keys.Keys!, claims));
            }

            return status;
        }

        private (TokenStatus Status, WebToken? Token) Read(string text)
        {
            if (!_read.TryGetValue(text, out var read))
            {
                read.Status = WebToken.Read(text, out read.Token);
                _read[text] = read;
            }

            return read;
        }
    }
}
