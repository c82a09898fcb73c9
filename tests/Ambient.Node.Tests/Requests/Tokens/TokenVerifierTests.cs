using System.Diagnostics.CodeAnalysis;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Requests.Tokens;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Requests.Tokens;

/// <summary>Tokens verified by keys that rotate, by issuers that are out, at times that pass.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class TokenVerifierTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(2_000_000_000));
    private readonly MetricRegistry _registry = new();
    private TokenVerifier _verifier = null!;
    private TestIssuer _issuer = null!;

    public async Task InitializeAsync()
    {
        _verifier = new TokenVerifier(new KeyFetcher(null, _time), new TokenMetrics(_registry), NullLogger.Instance, _time);
        _issuer = (await TestIssuer.StartAsync()).WithRsa("k1");
    }

    public async Task DisposeAsync()
    {
        _verifier.Dispose();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task Token_IsVerifiedOnce_AndKnownUntilItExpires()
    {
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload(exp: 2_000_000_100));
        Assert.False(_verifier.TryDecide(rules, Found(token), out _));
        var decision = await _verifier.DecideAsync(rules, Found(token));
        Assert.Equal((TokenStatus.Valid, "alice"), (decision.Status, decision.Claims!.Subject));

        Assert.True(_verifier.TryDecide(rules, Found(token), out var known));
        Assert.Same(decision.Claims, known.Claims);
        Assert.Equal(1, _verifier.Known);

        _time.Advance(TimeSpan.FromSeconds(160));
        Assert.True(_verifier.TryDecide(rules, Found(token), out known));
        Assert.Equal(TokenStatus.Valid, known.Status);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_verifier.TryDecide(rules, Found(token), out known));
        Assert.Equal((TokenStatus.Expired, (TokenClaims?)null), (known.Status, known.Claims));
        Assert.Equal(1, _issuer.Asked);
    }

    [Fact]
    public async Task Token_KnownByOneRule_IsJudgedByTheOthersToo()
    {
        var other = Remote() with { Issuer = "https://other.example", Jwks = "{}" };
        var rules = Rules(Remote(), other);
        var token = _issuer.Sign("k1", "RS256", Payload());
        var found = new FoundTokens([.. rules.Rules.Select((_, rule) => new FoundToken(rule, JwtRule.UsualLocations[0], token))]);
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(rules, found)).Status);
        Assert.True(_verifier.TryDecide(rules, found, out var known));
        Assert.Equal(TokenStatus.Valid, known.Status);
    }

    [Fact]
    public async Task KeySet_ThatIsMalformed_FailsItsIssuerAlone()
    {
        var rules = Rules(new JwtRule { Issuer = "https://bad.example", Jwks = """{"keys":[{"kty":"RSA"}]}""" }, Remote());
        var bad = _issuer.Sign("k1", "RS256", """{"iss":"https://bad.example"}""");
        var good = _issuer.Sign("k1", "RS256", Payload());
        var rule = rules.Rules[0].Rule.Issuer == _issuer.Address ? 0 : 1;
        Assert.Equal(TokenStatus.NoUsableKeys, (await _verifier.DecideAsync(rules, Found(bad, 1 - rule))).Status);
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(rules, Found(good, rule))).Status);
    }

    [Fact]
    public async Task Rotation_ANewKeyIsFetchedForItsFirstToken_AndAnOldOneVerifiesNothingAnyMore()
    {
        var rules = Rules(Remote());
        var old = _issuer.Sign("k1", "RS256", Payload());
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(rules, Found(old))).Status);

        // Within the minute nothing is asked again, whatever tokens name: who sends them has shown nothing.
        _issuer.WithCurve("k2", "P-256");
        var next = _issuer.Sign("k2", "ES256", Payload());
        Assert.Equal(TokenStatus.NoKey, (await _verifier.DecideAsync(rules, Found(next))).Status);
        Assert.Equal(1, _issuer.Asked);

        _issuer.Forget("k1");
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(rules, Found(next))).Status);
        Assert.Equal(2, _issuer.Asked);

        Assert.False(_verifier.TryDecide(rules, Found(old), out _));
        Assert.Equal(TokenStatus.NoKey, (await _verifier.DecideAsync(rules, Found(old))).Status);
        Assert.Equal(2, _issuer.Asked);
    }

    [Fact]
    public async Task Keys_AreFetchedAgainInTheBackground_AndTheSameOnesForgetNothing()
    {
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload());
        await _verifier.DecideAsync(rules, Found(token));
        _time.Advance(TimeSpan.FromMinutes(20));
        await UntilAsync(() => Scrape().Contains("ambient_jwks_fetch_success_total 2", StringComparison.Ordinal));
        Assert.True(_verifier.TryDecide(rules, Found(token), out var known));
        Assert.Equal(TokenStatus.Valid, known.Status);
    }

    [Fact]
    public async Task Outage_BeforeThereAreKeys_FailsItsTokens_AndIsTriedAgainAfterAMinute()
    {
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload());
        _issuer.Answer = Fails;
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(TokenStatus.KeysNotFetched, (await _verifier.DecideAsync(rules, Found(token))).Status);
        }

        Assert.Equal(1, _issuer.Asked);
        _issuer.Answer = null;
        _time.Advance(TimeSpan.FromMinutes(1));
        await UntilAsync(() => Scrape().Contains("ambient_jwks_fetch_success_total 1", StringComparison.Ordinal));
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(rules, Found(token))).Status);
        Assert.Equal(2, _issuer.Asked);
    }

    [Fact]
    public async Task Outage_AfterwardsIsBridgedForADay_WithFewerAndFewerQuestions()
    {
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload());
        await _verifier.DecideAsync(rules, Found(token));
        _issuer.Answer = Fails;
        var failures = 0;
        foreach (var minutes in (int[])[20, 1, 2, 4, 8, 16, 20, 20])
        {
            _time.Advance(TimeSpan.FromMinutes(minutes));
            failures++;
            await UntilAsync(() => Scrape().Contains($"ambient_jwks_fetch_failed_total {failures}\n", StringComparison.Ordinal));
            Assert.True(_verifier.TryDecide(rules, Found(token), out var known) && known.IsAllowed);
        }

        for (var age = 91; age <= 24 * 60; age += 20)
        {
            _time.Advance(TimeSpan.FromMinutes(20));
            failures++;
            await UntilAsync(() => Scrape().Contains($"ambient_jwks_fetch_failed_total {failures}\n", StringComparison.Ordinal));
            _verifier.TryDecide(rules, Found(token), out _);
        }

        Assert.Equal(TokenStatus.KeysNotFetched, (await _verifier.DecideAsync(rules, Found(token))).Status);
    }

    [Fact]
    public async Task Requests_ThatComeAtOnce_ShareOneFetch()
    {
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload());
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer.Answer = async http =>
        {
            await release.Task;
            await http.Response.WriteAsync(_issuer.Keys());
        };
        var waiting = Enumerable.Range(0, 20).Select(_ => _verifier.DecideAsync(rules, Found(token)).AsTask()).ToArray();
        await UntilAsync(() => _issuer.Asked > 0);
        release.SetResult();
        Assert.All(await Task.WhenAll(waiting), decision => Assert.Equal(TokenStatus.Valid, decision.Status));
        Assert.Equal(1, _issuer.Asked);
    }

    [Fact]
    public async Task Requests_BeyondWhatMayWaitForOneIssuer_AreToldSo_AndThoseOfOthersAreNot()
    {
        await using var other = (await TestIssuer.StartAsync()).WithRsa("k1");
        var rules = Rules(Remote());
        var others = Rules(new JwtRule { Issuer = other.Address, JwksUri = $"{other.Address}/keys" });
        var token = _issuer.Sign("k1", "RS256", Payload());
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer.Answer = async http =>
        {
            await release.Task;
            await http.Response.WriteAsync(_issuer.Keys());
        };
        var waiting = Enumerable.Range(0, TokenVerifier.MaxWaiting / 2).Select(_ => _verifier.DecideAsync(rules, Found(token)).AsTask()).ToArray();
        await UntilAsync(() => _verifier.WaitingForKeys == TokenVerifier.MaxWaiting / 2);
        Assert.Equal(TokenStatus.Busy, (await _verifier.DecideAsync(rules, Found(token))).Status);
        Assert.Equal(TokenStatus.Valid, (await _verifier.DecideAsync(others, Found(other.Sign("k1", "RS256", $$"""{"iss":"{{other.Address}}"}""")))).Status);
        release.SetResult();
        Assert.All(await Task.WhenAll(waiting), decision => Assert.Equal(TokenStatus.Valid, decision.Status));
        Assert.Equal(0, _verifier.WaitingForKeys);
        Assert.True(_verifier.TryDecide(rules, Found(token), out _));
    }

    [Fact]
    public async Task Requests_BeyondWhatMayWaitOfOneAddress_AreToldSo_AndThoseOfOthersAreNot()
    {
        using var clock = new HeldClock();
        using var verifier = new TokenVerifier(new KeyFetcher(null, TimeProvider.System), new TokenMetrics(_registry), NullLogger.Instance, clock);
        var rules = Rules(new JwtRule { Issuer = "https://issuer.example", Jwks = _issuer.Keys() });
        var tokens = Enumerable.Range(0, 4).Select(i => Found(_issuer.Sign("k1", "RS256", $$"""{"iss":"https://issuer.example","sub":"{{i}}"}"""))).ToArray();
        var waiting = new List<Task<AuthenticationDecision>>();
        while (clock.Held < clock.Most)
        {
            // One for each turn that there is: who looks at it waits at the clock.
            waiting.Add(verifier.DecideAsync(rules, tokens[0]).AsTask());
            await UntilAsync(() => clock.Held == waiting.Count);
        }

        while (waiting.Count < TokenVerifier.MaxWaiting / 2)
        {
            waiting.Add(verifier.DecideAsync(rules, tokens[1]).AsTask());
        }

        Assert.Equal(TokenStatus.Busy, (await verifier.DecideAsync(rules, tokens[2])).Status);
        var other = verifier.DecideAsync(rules, tokens[3], System.Net.IPAddress.Parse("10.0.0.1")).AsTask();
        clock.Release();
        Assert.Equal(TokenStatus.Valid, (await other).Status);
        Assert.All(await Task.WhenAll(waiting), decision => Assert.Equal(TokenStatus.Valid, decision.Status));
    }

    [Fact]
    public async Task Fetch_ThatThrowsWhateverItWas_IsTriedAgain()
    {
        // A handler that cannot be made: nothing of HTTP.
        var broken = new BrokenClock();
        using var verifier = new TokenVerifier(new KeyFetcher(null, broken), new TokenMetrics(_registry), NullLogger.Instance, _time);
        var rules = Rules(Remote());
        var token = _issuer.Sign("k1", "RS256", Payload());
        Assert.Equal(TokenStatus.KeysNotFetched, (await verifier.DecideAsync(rules, Found(token)).AsTask().WaitAsync(TimeSpan.FromSeconds(60))).Status);
        broken.IsMended = true;
        _time.Advance(TimeSpan.FromMinutes(1));
        await UntilAsync(() => Scrape().Contains("ambient_jwks_fetch_success_total 1", StringComparison.Ordinal));
        Assert.Equal(TokenStatus.Valid, (await verifier.DecideAsync(rules, Found(token))).Status);
    }

    [Fact]
    public async Task Keys_ThatChangeWhileATokenIsLookedAt_AreLookedInToo()
    {
        var clock = new ChangingClock(DateTimeOffset.FromUnixTimeSeconds(2_000_000_000));
        using var verifier = new TokenVerifier(new KeyFetcher(null, TimeProvider.System), new TokenMetrics(_registry), NullLogger.Instance, clock);
        var rules = Rules(Remote());
        Assert.Equal(TokenStatus.Valid, (await verifier.DecideAsync(rules, Found(_issuer.Sign("k1", "RS256", Payload())))).Status);
        _issuer.WithCurve("k2", "P-256");
        var next = _issuer.Sign("k2", "ES256", Payload());

        // Once it was looked for in the old keys, and before anybody asks for newer ones, the new ones come.
        clock.AfterTheLook = () =>
        {
            clock.Advance(FetchedKeys.Refresh);
            SpinWait.SpinUntil(() => Scrape().Contains("ambient_jwks_fetch_success_total 2", StringComparison.Ordinal), TimeSpan.FromSeconds(2));
        };
        Assert.Equal(TokenStatus.Valid, (await verifier.DecideAsync(rules, Found(next))).Status);
        Assert.Equal(2, _issuer.Asked);
    }

    [Fact]
    public async Task Issuer_ThatIsNoUrl_AndHasNoKeys_FailsItsTokens()
    {
        var rules = Rules(new JwtRule { Issuer = "not a url" });
        Assert.Equal(TokenStatus.KeysNotFetched, (await _verifier.DecideAsync(rules, Found(_issuer.Sign("k1", "RS256", """{"iss":"not a url"}""")))).Status);
    }

    [Fact]
    public void Cache_IsBounded_AndForgetsWhatIsNotAskedFor()
    {
        var cache = new TokenCache(maxEntries: 100, maxBytes: 1024 * 1024);
        Assert.Equal(TokenStatus.Valid, WebToken.Read(_issuer.Sign("k1", "RS256", Payload()), out var token));
        var verified = new TokenCache.Verified(new VerificationKeys([]), new TokenClaims(Remote(), token!));
        var favourite = TokenCache.KeyOf("favourite");
        cache.Keep(favourite, token!, verified);
        for (var i = 0; i < 10_000; i++)
        {
            cache.Keep(TokenCache.KeyOf($"{i}"), token!, verified);
            Assert.NotNull(cache.Find(favourite));
            Assert.InRange(cache.Count, 1, 100);
        }

        Assert.Null(cache.Find(TokenCache.KeyOf("1")));
        var small = new TokenCache(maxEntries: 1000, maxBytes: 4 * token!.Size);
        for (var i = 0; i < 100; i++)
        {
            small.Keep(TokenCache.KeyOf($"{i}"), token, verified);
            Assert.InRange(small.Count, 1, 4);
        }
    }

    /// <summary>Holds as many looks at tokens as there are turns, each the second time that it asks.</summary>
    private sealed class HeldClock : TimeProvider, IDisposable
    {
        private readonly ManualResetEventSlim _released = new();
        private int _asked;
        private int _held;

        public int Most { get; } = Math.Max(1, Environment.ProcessorCount / 2);

        public int Held => Volatile.Read(ref _held);

        public void Release() => _released.Set();

        public override DateTimeOffset GetUtcNow()
        {
            if (Held < Most && Interlocked.Increment(ref _asked) % 2 == 0)
            {
                Interlocked.Increment(ref _held);
                _released.Wait();
            }

            return base.GetUtcNow();
        }

        public void Dispose() => _released.Dispose();
    }

    private sealed class BrokenClock : TimeProvider
    {
        public bool IsMended { get; set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            IsMended ? base.CreateTimer(callback, state, dueTime, period) : throw new NotSupportedException("no timers today");
    }

    /// <summary>Calls back once, when a look at a token (the second time that somebody asks what time it is) has read its keys.</summary>
    private sealed class ChangingClock(DateTimeOffset start) : FakeTimeProvider(start)
    {
        private int _asked;
        private int _measured;

        [ThreadStatic]
        private static bool s_isMeasuring;

        public Action? AfterTheLook { get; set; }

        public override DateTimeOffset GetUtcNow()
        {
            if (AfterTheLook is not null && !s_isMeasuring)
            {
                _asked++;
            }

            return base.GetUtcNow();
        }

        public override long GetTimestamp()
        {
            // Keys are measured twice when they are read: when they were used, and how old they are.
            if (AfterTheLook is { } callback && _asked == 2 && ++_measured == 3)
            {
                AfterTheLook = null;
                callback();
            }

            // Which asks what time it is, by itself.
            s_isMeasuring = true;
            var timestamp = base.GetTimestamp();
            s_isMeasuring = false;
            return timestamp;
        }
    }

    private static Task Fails(HttpContext http)
    {
        http.Response.StatusCode = 503;
        return Task.CompletedTask;
    }

    private static TokenRules Rules(params JwtRule[] rules) => TokenRules.Of([new RequestAuthentication { Name = "jwt", Namespace = "app", Rules = [.. rules] }]);

    private static FoundTokens Found(string token, int rule = 0) => new([new FoundToken(rule, JwtRule.UsualLocations[0], token)]);

    private JwtRule Remote() => new() { Issuer = _issuer.Address, JwksUri = $"{_issuer.Address}/keys" };

    private string Payload(long exp = 4_102_444_800) => $$"""{"iss":"{{_issuer.Address}}","sub":"alice","exp":{{exp}}}""";

    private string Scrape()
    {
        var text = Utf8TextBuilder.Rent();
        _registry.Write(text);
        var scrape = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return scrape;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }
}
