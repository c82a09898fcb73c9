using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// The keys of one issuer as they were last fetched. Fetched again every twenty minutes, after a failure in one minute, then two, four and so on up
/// to twenty; never by a request while there are keys. Where the issuer does not answer, the last keys count for a day, and then none.
/// </summary>
internal sealed partial class FetchedKeys : IDisposable
{
    /// <summary>From one fetch to the next.</summary>
    public static readonly TimeSpan Refresh = TimeSpan.FromMinutes(20);

    /// <summary>From a failure to the next fetch; and least time between two that tokens of unknown keys ask for.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromMinutes(1);

    /// <summary>How long keys count that cannot be fetched again: one that was withdrawn must not be good for ever because its issuer is cut off.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromDays(1);

    /// <summary>How long keys are kept fresh that no token has needed.</summary>
    public static readonly TimeSpan MaxIdle = TimeSpan.FromDays(1);

    private readonly Lock _gate = new();
    private readonly JwtRule _rule;
    private readonly KeyFetcher _fetcher;
    private readonly TokenMetrics _metrics;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Action<FetchedKeys> _forget;
    private readonly CancellationTokenSource _ended = new();
    private readonly ITimer _timer;
    private volatile State? _state;
    private Task? _fetching;
    private long _used;
    private long _asked;
    private int _failures;

    /// <summary>Creates the keeper; the first fetch is whoever's that needs it.</summary>
    public FetchedKeys(JwtRule rule, KeyFetcher fetcher, TokenMetrics metrics, ILogger logger, TimeProvider time, Action<FetchedKeys> forget)
    {
        _rule = rule;
        _fetcher = fetcher;
        _metrics = metrics;
        _logger = logger;
        _time = time;
        _forget = forget;
        _used = time.GetTimestamp();
        _timer = time.CreateTimer(static self => ((FetchedKeys)self!).OnTime(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The keys, or that there are none; <see cref="TokenStatus.Undecided"/> before the first fetch is over.</summary>
    public KeyLookup Current
    {
        get
        {
            Volatile.Write(ref _used, _time.GetTimestamp());
            return _state is not { } state ? default
                : state.Keys is not null && _time.GetElapsedTime(state.Fetched) <= MaxAge ? new KeyLookup(state.Keys, TokenStatus.Valid)
                : new KeyLookup(null, TokenStatus.KeysNotFetched);
        }
    }

    /// <summary>Fetches, or waits for the fetch that is under way. Does not throw.</summary>
    public Task FetchAsync()
    {
        lock (_gate)
        {
            return _ended.IsCancellationRequested ? Task.CompletedTask : _fetching ??= BeginAsync();
        }
    }

    /// <summary>Fetches, unless that was done a short while ago.</summary>
    public Task FetchSoonAsync()
    {
        lock (_gate)
        {
            return _fetching is null && _state is not null && _time.GetElapsedTime(_asked) < Retry ? Task.CompletedTask : FetchAsync();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _timer.Dispose();
        }

        // Who waits for a fetch goes on from here, and may ask again.
        _ended.Cancel();
    }

    private async Task BeginAsync()
    {
        _asked = _time.GetTimestamp();
        await Task.Yield();
        var problem = "";
        try
        {
            var text = await _fetcher.FetchAsync(_rule, _ended.Token).ConfigureAwait(false);
            var before = _state;

            // The same text is the same keys: what was verified by them stays verified.
            var keys = before?.Keys is not null && before.Text == text ? before.Keys : JsonWebKeys.Read(text, out problem);
            if (keys is not null)
            {
                _state = new State(keys, text, _time.GetTimestamp());
                problem = "";
            }
        }
#pragma warning disable CA1031 // Whatever a fetch throws is a fetch that brought nothing: the issuer must not be left as if one were under way for ever.
        catch (Exception e)
#pragma warning restore CA1031
        {
            problem = e.Message.Length > 0 ? e.Message : e.GetType().Name;
        }

        lock (_gate)
        {
            _fetching = null;
            if (_ended.IsCancellationRequested)
            {
                return;
            }

            _failures = problem.Length == 0 ? 0 : Math.Min(_failures + 1, 6);
            var next = _failures == 0 ? Refresh : TimeSpan.FromTicks(Math.Min(Refresh.Ticks, Retry.Ticks << (_failures - 1)));
            _state ??= new State(null, "", 0);
            _timer.Change(next, Timeout.InfiniteTimeSpan);
        }

        _metrics.Fetched(_failures == 0);
        if (problem.Length > 0)
        {
            LogNotFetched(_logger, _rule.Issuer, problem, _state is { Keys: not null } ? "the last ones count until they are a day old" : "every token of it is refused");
        }
    }

    private void OnTime()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _used)) > MaxIdle)
        {
            _forget(this);
            return;
        }

        _ = FetchAsync();
    }

    private sealed record State(VerificationKeys? Keys, string Text, long Fetched);

    [LoggerMessage(4241, LogLevel.Warning, "the keys of issuer {Issuer} could not be fetched: {Problem}; {Consequence}")]
    private static partial void LogNotFetched(ILogger logger, string issuer, string problem, string consequence);
}
