using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// The keys of every issuer that tokens have come of: those that stand in the rules, and those that are fetched and kept fresh
/// (<see cref="FetchedKeys"/>). What is wrong with the keys of one is that one's trouble.
/// </summary>
internal sealed partial class IssuerKeys : IDisposable
{
    private readonly ConcurrentDictionary<(Uri Source, string Issuer, TimeSpan Timeout), FetchedKeys> _fetched = new();

    // By the text itself, which lives as long as the rule does.
    private readonly ConditionalWeakTable<string, StrongBox<KeyLookup>> _inline = [];
    private readonly KeyFetcher _fetcher;
    private readonly TokenMetrics _metrics;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;

    /// <summary>Creates the store; nothing is fetched before a token needs it.</summary>
    public IssuerKeys(KeyFetcher fetcher, TokenMetrics metrics, ILogger logger, TimeProvider time)
    {
        _fetcher = fetcher;
        _metrics = metrics;
        _logger = logger;
        _time = time;
    }

    /// <summary>The keys as they are known now, without any work; <see cref="TokenStatus.Undecided"/> before they are.</summary>
    public KeyLookup Known(JwtRule rule)
    {
        if (rule.Jwks is { } text)
        {
            return _inline.TryGetValue(text, out var read) ? read.Value : default;
        }

        return SourceOf(rule) is { } source ? _fetched.TryGetValue((source, rule.Issuer, rule.Timeout), out var keys) ? keys.Current : default : NotFetched;
    }

    /// <summary>The keys; where they are not known yet, when the fetch is over that is under way or begins now.</summary>
    public async ValueTask<KeyLookup> GetAsync(JwtRule rule)
    {
        if (rule.Jwks is { } text)
        {
            return _inline.GetValue(text, _ => new StrongBox<KeyLookup>(ReadInline(rule))).Value;
        }

        if (SourceOf(rule) is not { } source)
        {
            return NotFetched;
        }

        var keys = Fetched(source, rule);
        if (keys.Current.Status == TokenStatus.Undecided)
        {
            await keys.FetchAsync().ConfigureAwait(false);
        }

        return keys.Current;
    }

    /// <summary>
    /// A token names a key that is not there: perhaps it is new. Fetches once more, unless that was done within the minute, and says what the keys are now.
    /// </summary>
    public async ValueTask<KeyLookup> RenewAsync(JwtRule rule)
    {
        if (rule.Jwks is not null || SourceOf(rule) is not { } source)
        {
            return Known(rule);
        }

        var keys = Fetched(source, rule);
        await keys.FetchSoonAsync().ConfigureAwait(false);
        return keys.Current;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var keys in _fetched.Values)
        {
            keys.Dispose();
        }

        _fetched.Clear();
    }

    private static KeyLookup NotFetched => new(null, TokenStatus.KeysNotFetched);

    private static Uri? SourceOf(JwtRule rule)
    {
        try
        {
            return KeyFetcher.SourceOf(rule);
        }
        catch (UriFormatException)
        {
            // An issuer need not be a URL; then nobody says where its keys are.
            return null;
        }
    }

    private FetchedKeys Fetched(Uri source, JwtRule rule)
    {
        var key = (source, rule.Issuer, rule.Timeout);
        return _fetched.GetOrAdd(key, static (key, state) => new FetchedKeys(
            state.Rule, state.Store._fetcher, state.Store._metrics, state.Store._logger, state.Store._time, self => state.Store.Forget(key, self)), (Rule: rule, Store: this));
    }

    private void Forget((Uri Source, string Issuer, TimeSpan Timeout) key, FetchedKeys keys)
    {
        _fetched.TryRemove(KeyValuePair.Create(key, keys));
        keys.Dispose();
    }

    private KeyLookup ReadInline(JwtRule rule)
    {
        if (JsonWebKeys.Read(rule.Jwks!, out var problem) is { } keys)
        {
            return new KeyLookup(keys, TokenStatus.Valid);
        }

        LogUnusable(_logger, rule.Issuer, problem);
        return new KeyLookup(null, TokenStatus.NoUsableKeys);
    }

    [LoggerMessage(4240, LogLevel.Warning, "the key set (jwks) of issuer {Issuer} cannot be used: {Problem}; every token of it is refused")]
    private static partial void LogUnusable(ILogger logger, string issuer, string problem);
}
