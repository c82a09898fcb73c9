using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Core.Tests.Certificates;

public class SvidCacheTests
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly ScriptedAuthority _authority;
    private readonly ListLogger<SvidCache> _log = new();

    public SvidCacheTests() => _authority = new ScriptedAuthority(_time, Lifetime);

    [Fact]
    [Trait("Reference", "test_duplicate_requests")]
    public async Task GetSvidAsync_SameIdentityFourTimes_IsFetchedOnce()
    {
        await using var cache = NewCache();
        var calls = Enumerable.Range(0, 4).Select(_ => cache.GetSvidAsync(Id("a")).AsTask()).ToArray();
        (await _authority.NextAsync()).Issue();

        var svids = await Task.WhenAll(calls).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.All(svids, svid => Assert.Same(svids[0], svid));
        Assert.Equal(1, _authority.Count);
    }

    [Fact]
    public async Task GetSvidAsync_Available_IsSynchronousAndAllocatesNothing()
    {
        await using var cache = NewCache();
        await FetchAsync(cache, "a");
        var id = Id("a");
        var completed = 0;
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                completed += IsImmediate(cache.GetSvidAsync(id)) ? 1 : 0;
            }
        }));
        Assert.True(completed >= 1000 && completed % 1000 == 0, $"{completed} were immediate");
    }

    [Fact]
    [Trait("Reference", "test_concurrency")]
    public async Task GetSvidAsync_ManyIdentities_AtMostEightAreFetchedAtOnce()
    {
        await using var cache = NewCache();
        var calls = Enumerable.Range(0, 20).Select(i => cache.GetSvidAsync(Id($"i{i}")).AsTask()).ToArray();
        var running = new Queue<ScriptedAuthority.Request>();
        for (var i = 0; i < 8; i++)
        {
            running.Enqueue(await _authority.NextAsync());
        }

        Assert.Equal(8, _authority.Count);
        for (var i = 8; i < 20; i++)
        {
            running.Dequeue().Issue();
            running.Enqueue(await _authority.NextAsync());
            Assert.Equal(i + 1, _authority.Count);
        }

        foreach (var request in running)
        {
            request.Issue();
        }

        await Task.WhenAll(calls).WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    [Trait("Reference", "test_priority")]
    public async Task Queue_MixedPriorities_RunningFirstThenRealTimeThenWarmupThenBackground()
    {
        await using var cache = NewCache(1, fetchTimeout: TimeSpan.FromDays(1));
        await FetchAsync(cache, "old");
        var first = cache.GetSvidAsync(Id("running")).AsTask();
        var running = await _authority.NextAsync();
        _time.Advance(Lifetime / 2);
        cache.Warmup(Id("warm1"));
        cache.Warmup(Id("warm2"));
        var urgent = cache.GetSvidAsync(Id("urgent")).AsTask();

        running.Issue();
        Assert.Equal(["urgent", "warm1", "warm2", "old"], await DrainAsync(4));
        await Task.WhenAll(first, urgent).WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    [Trait("Reference", "test_priority")]
    public async Task Queue_MoreUrgentCallerOfAWaitingIdentity_MovesItForward()
    {
        await using var cache = NewCache(1);
        _ = cache.GetSvidAsync(Id("running")).AsTask();
        var running = await _authority.NextAsync();
        cache.Warmup(Id("warm1"));
        cache.Warmup(Id("warm2"));
        var raised = cache.GetSvidAsync(Id("warm2")).AsTask();

        running.Issue();
        Assert.Equal(["warm2", "warm1"], await DrainAsync(2));
        await raised.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(3, _authority.Count);
    }

    [Fact]
    [Trait("Reference", "test_warmup_new")]
    public async Task Warmup_New_IsFetchedAndServedWithoutWaiting()
    {
        await using var cache = NewCache();
        cache.Warmup(Id("a"));
        (await _authority.NextAsync()).Issue();
        await StateAsync(cache, "a", "Available");

        Assert.True(cache.GetSvidAsync(Id("a")).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    [Trait("Reference", "test_warmup_existing")]
    public async Task Warmup_Existing_FetchesNothing()
    {
        await using var cache = NewCache();
        await FetchAsync(cache, "a");
        cache.Warmup(Id("a"));
        await FetchAsync(cache, "b");

        Assert.Equal(2, _authority.Count);
    }

    [Fact]
    public async Task Warmup_TooManyWaiting_AreDroppedAndFetchedWhenNeeded()
    {
        await using var cache = NewCache(1, warmups: 2);
        _ = cache.GetSvidAsync(Id("running")).AsTask();
        var running = await _authority.NextAsync();
        cache.Warmup(Id("w1"));
        cache.Warmup(Id("w2"));
        cache.Warmup(Id("dropped"));
        Assert.Equal(["running", "w1", "w2"], cache.Snapshot().Select(e => e.Identity.ServiceAccount));

        var needed = cache.GetSvidAsync(Id("dropped")).AsTask();
        running.Issue();
        Assert.Equal(["dropped", "w1", "w2"], await DrainAsync(3));
        await needed.WaitAsync(TimeSpan.FromSeconds(30));

        // The places are free again.
        await StateAsync(cache, "w2", "Available");
        cache.Warmup(Id("later"));
        Assert.Equal(["later"], await DrainAsync(1));
    }

    [Fact]
    [Trait("Reference", "test_cache_refresh")]
    public async Task Refresh_AtHalfLife_ReplacesTheSvid()
    {
        await using var cache = NewCache();
        var first = await FetchAsync(cache, "a");
        _time.Advance(first.HalfLife - _time.GetUtcNow() - TimeSpan.FromSeconds(2));
        Assert.Equal(1, _authority.Count);

        _time.Advance(TimeSpan.FromSeconds(3));
        var renewal = await _authority.NextAsync();
        Assert.Same(first, await cache.GetSvidAsync(Id("a")));
        renewal.Issue();
        await EventuallyAsync(async () => !ReferenceEquals(first, await cache.GetSvidAsync(Id("a"))));
        Assert.True((await cache.GetSvidAsync(Id("a"))).NotAfter > first.NotAfter);
    }

    [Fact]
    [Trait("Reference", "test_certificate_retention_on_refresh_failure")]
    public async Task Refresh_Fails_TheOldSvidIsKeptAndTriedAgain()
    {
        await using var cache = NewCache();
        var first = await FetchAsync(cache, "a");
        _time.Advance(Lifetime / 2);
        (await _authority.NextAsync()).Fail("CA is down");
        await EventuallyAsync(() => Task.FromResult(_log.Lines.Length == 1));
        Assert.Contains("CA is down", _log.Lines[0], StringComparison.Ordinal);
        Assert.Contains("spiffe://cluster.local/ns/ns/sa/a", _log.Lines[0], StringComparison.Ordinal);
        Assert.Same(first, await cache.GetSvidAsync(Id("a")));

        _time.Advance(TimeSpan.FromSeconds(1.3));
        (await _authority.NextAsync()).Issue();
        await EventuallyAsync(async () => !ReferenceEquals(first, await cache.GetSvidAsync(Id("a"))));
    }

    [Fact]
    public async Task Refresh_FailsUntilExpiry_ThenUnavailable()
    {
        await using var cache = NewCache();
        var first = await FetchAsync(cache, "a");
        _time.Advance(Lifetime / 2);
        while (_time.GetUtcNow() < first.NotAfter)
        {
            var lines = _log.Lines.Length;
            (await _authority.NextAsync()).Fail();
            await EventuallyAsync(() => Task.FromResult(_log.Lines.Length > lines));
            if (cache.Snapshot()[0].Svid is not null)
            {
                var rest = first.NotAfter - _time.GetUtcNow();
                _time.Advance(rest < TimeSpan.FromSeconds(150) ? rest : TimeSpan.FromSeconds(150));
            }
        }

        // The last try is made when the certificate ends, however far the back-off had gone.
        (await _authority.NextAsync()).Fail("still down");
        await StateAsync(cache, "a", "Unavailable: no certificate for spiffe://cluster.local/ns/ns/sa/a: still down");
        await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(Id("a")));
    }

    [Fact]
    public async Task GetSvidAsync_ExpiredWhileItsRenewalHangs_WaitsForTheRenewal()
    {
        await using var cache = NewCache(fetchTimeout: TimeSpan.FromDays(1));
        var first = await FetchAsync(cache, "a");
        _time.Advance(Lifetime / 2);
        var renewal = await _authority.NextAsync();
        _time.Advance(Lifetime);

        var call = cache.GetSvidAsync(Id("a")).AsTask();
        Assert.False(call.IsCompleted);
        renewal.Issue();
        Assert.NotSame(first, await call.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(2, _authority.Count);
    }

    [Fact]
    [Trait("Reference", "test_backoff_resets_on_successful_fetch_after_failure")]
    public async Task GetSvidAsync_AfterAFailure_AnswersTheCachedErrorAtOnceUntilARetrySucceeds()
    {
        await using var cache = NewCache();
        var call = cache.GetSvidAsync(Id("a")).AsTask();
        (await _authority.NextAsync()).Fail("CA is down");
        Assert.Contains("CA is down", (await Assert.ThrowsAsync<SvidUnavailableException>(() => call)).Message, StringComparison.Ordinal);

        var second = cache.GetSvidAsync(Id("a"));
        Assert.True(second.IsFaulted);
        await Assert.ThrowsAsync<SvidUnavailableException>(async () => await second);
        Assert.Equal(1, _authority.Count);

        _time.Advance(TimeSpan.FromSeconds(1.3));
        (await _authority.NextAsync()).Issue();
        await StateAsync(cache, "a", "Available");
        Assert.Equal(Id("a"), (await cache.GetSvidAsync(Id("a"))).Id);
        Assert.Contains("issued after failures", _log.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetSvidAsync_AuthorityNeverAnswers_TimesOut()
    {
        await using var cache = NewCache();
        var call = cache.GetSvidAsync(Id("a")).AsTask();
        await _authority.NextAsync();
        _time.Advance(TimeSpan.FromSeconds(31));

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(() => call.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("no answer within 30 s", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetSvidAsync_CallerGivesUp_OthersStillGetTheirs()
    {
        await using var cache = NewCache();
        using var cancel = new CancellationTokenSource();
        var impatient = cache.GetSvidAsync(Id("a"), cancel.Token).AsTask();
        var patient = cache.GetSvidAsync(Id("a")).AsTask();
        var request = await _authority.NextAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);

        request.Issue();
        Assert.Equal(Id("a"), (await patient.WaitAsync(TimeSpan.FromSeconds(30))).Id);
    }

    [Fact]
    [Trait("Reference", "test_forget_pending")]
    public async Task Forget_Pending_FailsThoseWhoWaitAndDiscardsTheAnswer()
    {
        await using var cache = NewCache();
        var call = cache.GetSvidAsync(Id("a")).AsTask();
        var request = await _authority.NextAsync();
        cache.Forget(Id("a"));

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(() => call);
        Assert.Contains("no longer needed", e.Message, StringComparison.Ordinal);
        request.Issue();
        await FetchAsync(cache, "b");
        Assert.Equal(["b"], cache.Snapshot().Select(entry => entry.Identity.ServiceAccount));
    }

    [Fact]
    public async Task Forget_Queued_IsNeverFetched()
    {
        await using var cache = NewCache(1);
        _ = cache.GetSvidAsync(Id("running")).AsTask();
        var running = await _authority.NextAsync();
        cache.Warmup(Id("a"));
        cache.Warmup(Id("b"));
        cache.Forget(Id("a"));

        running.Issue();
        Assert.Equal(["b"], await DrainAsync(1));
        Assert.Equal(2, _authority.Count);
    }

    [Fact]
    [Trait("Reference", "test_forget")]
    public async Task Forget_Available_IsNotRenewedAndFetchedAnewWhenNeeded()
    {
        await using var cache = NewCache();
        await FetchAsync(cache, "a");
        cache.Forget(Id("a"));
        Assert.Empty(cache.Snapshot());
        _time.Advance(Lifetime);
        await FetchAsync(cache, "b");
        Assert.Equal(2, _authority.Count);

        await FetchAsync(cache, "a");
        Assert.Equal(3, _authority.Count);
    }

    [Fact]
    [Trait("Reference", "test_get_existing_cert_info_basic")]
    public async Task Snapshot_TellsEveryState()
    {
        await using var cache = NewCache();
        var svid = await FetchAsync(cache, "available");
        var failing = cache.GetSvidAsync(Id("unavailable")).AsTask();
        (await _authority.NextAsync()).Fail("no");
        await Assert.ThrowsAsync<SvidUnavailableException>(() => failing);
        cache.Warmup(Id("initializing"));

        var entries = cache.Snapshot();
        Assert.Equal(["Available", "Initializing", "Unavailable: no certificate for spiffe://cluster.local/ns/ns/sa/unavailable: no"], entries.Select(e => e.State));
        Assert.Same(svid, entries[0].Svid);
        Assert.Null(entries[1].Svid);
        Assert.Null(entries[2].Svid);
    }

    [Fact]
    [Trait("Reference", "test_unused_cleanup")]
    public async Task DisposeAsync_FailsThoseWhoWaitAndEnds()
    {
        var cache = NewCache();
        var call = cache.GetSvidAsync(Id("a")).AsTask();
        await _authority.NextAsync();
        await cache.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        await cache.DisposeAsync();

        await Assert.ThrowsAsync<SvidUnavailableException>(() => call);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await cache.GetSvidAsync(Id("a")));
    }

    [Fact]
    public void Backoff_DoublesWithinJitterUpToTheCap()
    {
        var backoff = default(SvidBackoff);
        var now = _time.GetUtcNow();
        foreach (var expected in (double[])[1, 2, 4, 8, 16, 32, 64, 128])
        {
            Assert.InRange(backoff.Next(now).TotalSeconds, expected * 0.8, expected * 1.2);
        }

        for (var i = 0; i < 10; i++)
        {
            Assert.InRange(backoff.Next(now).TotalSeconds, 120, 150);
        }

        Assert.Equal(150, backoff.Next(now.AddMinutes(15)).TotalSeconds);
    }

    [Fact]
    [Trait("Reference", "test_stress_caching")]
    public async Task Stress_ManyCallersOfManyIdentitiesWithTinyLives_AllGetValidSvids()
    {
        // Not one: certificates tell whole seconds, and it is over before a busy machine has issued twenty.
        var authority = new TestAuthority(lifetime: TimeSpan.FromSeconds(2));
        await using var cache = new SvidCache(authority);
        var ids = Enumerable.Range(0, 20).Select(i => Id($"i{i}")).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                var id = ids[(i + worker) % ids.Length];
                var svid = await cache.GetSvidAsync(id);
                Assert.Equal(id, svid.Id);
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal(20, cache.Snapshot().Length);
    }

    [Fact]
    public void Options_OutOfTheirRange_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => NewCache(concurrent: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewCache(warmups: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewCache(fetchTimeout: TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewCache(fetchTimeout: Timeout.InfiniteTimeSpan));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewCache(fetchTimeout: TimeSpan.FromDays(2)));
    }

    private static SpiffeId Id(string serviceAccount) => SpiffeId.ForServiceAccount("cluster.local", "ns", serviceAccount);

    private static bool IsImmediate(ValueTask<X509Svid> call) => call.IsCompletedSuccessfully;

    private SvidCache NewCache(int concurrent = 8, int warmups = 256, TimeSpan? fetchTimeout = null) => new(
        _authority,
        new SvidCacheOptions { MaxConcurrentFetches = concurrent, MaxWaitingWarmups = warmups, FetchTimeout = fetchTimeout ?? TimeSpan.FromSeconds(30) },
        _time,
        _log);

    private async Task<X509Svid> FetchAsync(SvidCache cache, string serviceAccount)
    {
        var call = cache.GetSvidAsync(Id(serviceAccount)).AsTask();
        ScriptedAuthority.Request request;
        do
        {
            request = await _authority.NextAsync();
            request.Issue();
        }
        while (!request.Id.Equals(Id(serviceAccount)));

        return await call.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private async Task<string[]> DrainAsync(int count)
    {
        var order = new List<string>();
        while (order.Count < count)
        {
            var request = await _authority.NextAsync();
            order.Add(request.Id.ServiceAccount!);
            request.Issue();
        }

        return [.. order];
    }

    private static Task StateAsync(SvidCache cache, string serviceAccount, string state) =>
        EventuallyAsync(() => Task.FromResult(cache.Snapshot().Any(e => e.Identity.Equals(Id(serviceAccount)) && e.State == state)));

    /// <summary>What the cache does off the test's thread is short, and has no hook: look until it is seen.</summary>
    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 3000; i++)
        {
            if (await condition())
            {
                return;
            }

            await Task.Delay(10);
        }

        Assert.Fail("not within 30 seconds");
    }
}
