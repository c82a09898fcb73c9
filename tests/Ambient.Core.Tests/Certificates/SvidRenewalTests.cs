using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Core.Tests.Certificates;

/// <summary>A cache in front of an authority that says by itself when it has newer SVIDs, or takes them back.</summary>
public sealed class SvidRenewalTests
{
    private static readonly SpiffeId s_id = SpiffeId.ForServiceAccount("cluster.local", "ns", "a");
    private static readonly TimeSpan s_lifetime = TimeSpan.FromHours(1);
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly ScriptedAuthority _scripted;

    public SvidRenewalTests() => _scripted = new ScriptedAuthority(_time, s_lifetime);

    [Fact]
    public async Task Renew_BringsTheNewSvidNow_AndTheOldOneIsUsedUntilThen()
    {
        await using var cache = new SvidCache(_scripted, null, _time);
        var first = await FirstAsync(cache);

        cache.Renew(s_id);
        var renewal = await _scripted.NextAsync();
        Assert.Same(first, await cache.GetSvidAsync(s_id));
        renewal.Issue();

        await EventuallyAsync(() => !ReferenceEquals(first, cache.Snapshot()[0].Svid));
        Assert.Equal(2, _scripted.Count);
    }

    [Fact]
    public async Task Renew_WhileAFetchRuns_FetchesOnceMoreAfterIt()
    {
        await using var cache = new SvidCache(_scripted, null, _time);
        var call = cache.GetSvidAsync(s_id).AsTask();
        var running = await _scripted.NextAsync();

        cache.Renew(s_id);
        cache.Renew(s_id);
        running.Issue();
        var first = await call.WaitAsync(TimeSpan.FromSeconds(30));
        (await _scripted.NextAsync()).Issue();

        await EventuallyAsync(() => !ReferenceEquals(first, cache.Snapshot()[0].Svid));
        Assert.Equal(2, _scripted.Count);
    }

    [Fact]
    public async Task Renew_AfterAFailure_DoesNotWaitForTheBackOff()
    {
        await using var cache = new SvidCache(_scripted, null, _time);
        var call = cache.GetSvidAsync(s_id).AsTask();
        (await _scripted.NextAsync()).Fail("not registered");
        await Assert.ThrowsAsync<SvidUnavailableException>(() => call);

        cache.Renew(s_id);
        (await _scripted.NextAsync()).Issue();

        await EventuallyAsync(() => cache.Snapshot()[0].State == "Available");
    }

    [Fact]
    public async Task Renew_ThatFails_KeepsTheOldSvid()
    {
        var log = new ListLogger<SvidCache>();
        await using var cache = new SvidCache(_scripted, null, _time, log);
        var first = await FirstAsync(cache);

        cache.Renew(s_id);
        (await _scripted.NextAsync()).Fail("away");

        await EventuallyAsync(() => log.Lines.Length == 1);
        Assert.Contains("not renewed: away", log.Lines[0], StringComparison.Ordinal);
        Assert.Same(first, await cache.GetSvidAsync(s_id));
    }

    [Fact]
    public async Task RenewAndWithdraw_OfAnIdentityThatNobodyAskedFor_DoNothing()
    {
        await using var cache = new SvidCache(_scripted, null, _time);

        cache.Renew(s_id);
        cache.Withdraw(s_id);

        Assert.Empty(cache.Snapshot());
        Assert.Equal(0, _scripted.Count);
    }

    [Fact]
    public async Task Withdraw_TheSvidIsHandedOutNoMore_AndCallersWaitForTheAuthority()
    {
        await using var cache = new SvidCache(_scripted, null, _time);
        var first = await FirstAsync(cache);

        cache.Withdraw(s_id);
        var waiting = cache.GetSvidAsync(s_id).AsTask();
        Assert.False(waiting.IsCompleted);
        (await _scripted.NextAsync()).Fail("not registered");

        Assert.Contains("not registered", (await Assert.ThrowsAsync<SvidUnavailableException>(() => waiting)).Message, StringComparison.Ordinal);
        Assert.Null(cache.Snapshot()[0].Svid);
        cache.Renew(s_id);
        (await _scripted.NextAsync()).Issue();
        await EventuallyAsync(() => cache.Snapshot()[0].State == "Available");
        Assert.NotSame(first, cache.Snapshot()[0].Svid);
    }

    [Fact]
    public async Task Withdraw_WhileAFetchRuns_ThrowsAwayWhatItBrings()
    {
        await using var cache = new SvidCache(_scripted, null, _time);
        var call = cache.GetSvidAsync(s_id).AsTask();
        var running = await _scripted.NextAsync();

        cache.Withdraw(s_id);
        running.Issue();
        (await _scripted.NextAsync()).Fail("not registered");

        Assert.Contains("not registered", (await Assert.ThrowsAsync<SvidUnavailableException>(() => call)).Message, StringComparison.Ordinal);
        Assert.Equal(2, _scripted.Count);
    }

    [Fact]
    public async Task Updates_OfTheAuthority_ReachTheCache()
    {
        var authority = new FixedAuthority(new TestAuthority(lifetime: s_lifetime, timeProvider: _time).Issue(s_id));
        await using var cache = new SvidCache(authority, null, _time);
        Assert.Same(authority.Svid, await cache.GetSvidAsync(s_id));

        authority.Svid = new TestAuthority(lifetime: s_lifetime, timeProvider: _time).Issue(s_id);
        authority.Updated!(s_id);
        await EventuallyAsync(() => ReferenceEquals(authority.Svid, cache.Snapshot()[0].Svid));

        authority.Svid = null;
        authority.Withdrawn!(s_id);
        await EventuallyAsync(() => cache.Snapshot()[0].State.StartsWith("Unavailable", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ExpiredSvidFromTheAuthority_IsAFailure_AndNotAskedForWithoutEnd()
    {
        var authority = new FixedAuthority(new TestAuthority(timeProvider: _time).IssueExpired(s_id));
        await using var cache = new SvidCache(authority, null, _time);

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(s_id));

        Assert.Contains("what the authority gave ended at", e.Message, StringComparison.Ordinal);
        await Task.Delay(100);
        Assert.Equal(1, authority.Asked);
    }

    [Fact]
    public async Task SameSvidUntilItsEnd_IsAskedForAFewTimes_AndThenGone()
    {
        var authority = new FixedAuthority(new TestAuthority(lifetime: s_lifetime, timeProvider: _time).Issue(s_id));
        await using var cache = new SvidCache(authority, null, _time);
        var svid = await cache.GetSvidAsync(s_id);

        // Small steps near the end, where a cache that halves what is left would ask ever more often.
        while (_time.GetUtcNow() < svid.NotAfter + TimeSpan.FromSeconds(1))
        {
            var rest = svid.NotAfter - _time.GetUtcNow();
            _time.Advance(rest > TimeSpan.FromMinutes(2) ? TimeSpan.FromMinutes(1) : rest > TimeSpan.FromSeconds(2) ? TimeSpan.FromSeconds(1) : TimeSpan.FromMilliseconds(20));
            await Task.Delay(1);
        }

        await EventuallyAsync(() => cache.Snapshot()[0].State.StartsWith("Unavailable", StringComparison.Ordinal));
        Assert.InRange(authority.Asked, 2, 40);
    }

    private async Task<X509Svid> FirstAsync(SvidCache cache)
    {
        var call = cache.GetSvidAsync(s_id).AsTask();
        (await _scripted.NextAsync()).Issue();
        return await call.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        for (var i = 0; !condition(); i++)
        {
            Assert.True(i < 3000, "not within 30 seconds");
            await Task.Delay(10);
        }
    }

    /// <summary>Answers what it has, or that it has nothing.</summary>
    private sealed class FixedAuthority(X509Svid? svid) : ICertificateAuthority, ISvidUpdates
    {
        private int _asked;

        public X509Svid? Svid { get; set; } = svid;

        public int Asked => Volatile.Read(ref _asked);

        public Action<SpiffeId>? Updated { get; set; }

        public Action<SpiffeId>? Withdrawn { get; set; }

        public ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _asked);
            return Svid is { } known ? new(known) : throw new CertificateAuthorityException("taken back");
        }
    }
}
