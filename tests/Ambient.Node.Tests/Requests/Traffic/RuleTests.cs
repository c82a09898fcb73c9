using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests.Traffic;

/// <summary>What rules ask besides a backend, over real tunnels to real endpoints: tries, time limits, copies, faults.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RuleTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly ConcurrentQueue<(string Pod, string Body)> _bodies = new();
    private readonly SemaphoreSlim _hold = new(0);
    private HttpClient _client = null!;
    private TestPod _web = null!;
    private TestPod _shadow = null!;
    private int _failures;
    private int _status = 503;

    public async Task InitializeAsync()
    {
        await _mesh.StartWaypointAsync();
        var service = _mesh.AddService("web");
        _mesh.AddService("shadow");
        _web = await _mesh.AddPodAsync("web-0", "web", "web", map: app => app.Run(http => ServeAsync(http, "web")));
        _shadow = await _mesh.AddPodAsync("shadow-0", "shadow", "shadow", map: app => app.Run(http => ServeAsync(http, "shadow")));
        _client = _mesh.ThroughWaypoint(TestMesh.Id("caller"), service);
    }

    public async Task DisposeAsync()
    {
        _hold.Release(1000);
        _client.Dispose();
        await _mesh.DisposeAsync();
    }

    private async Task ServeAsync(HttpContext http, string pod)
    {
        using var reader = new StreamReader(http.Request.Body);
        var body = await reader.ReadToEndAsync(http.RequestAborted);
        _bodies.Enqueue((pod, body));
        if (http.Request.Path.StartsWithSegments("/hold") || (http.Request.Path.StartsWithSegments("/hold-copy") && pod == "shadow"))
        {
            await _hold.WaitAsync(http.RequestAborted);
        }

        if (pod == "web" && http.Request.Path == "/reset" && Interlocked.Decrement(ref _failures) >= 0)
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = pod == "web" && http.Request.Path == "/fail" && Interlocked.Decrement(ref _failures) >= 0 ? _status : 200;
        await http.Response.WriteAsync($"{pod}:{body.Length}");
    }

    private void SetRule(Func<ForwardAction, ForwardAction> forward, Func<TrafficRule, TrafficRule>? rule = null)
    {
        var made = new TrafficRule
        {
            Matches = [new TrafficMatch()],
            Action = forward(new ForwardAction { Backends = [new TrafficBackend(Reference("web"), 1)] }),
        };
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/web", new HttpRoute
            {
                Name = "web",
                Namespace = "app",
                ParentRefs = [Reference("web") with { Port = null }],
                Rules = [rule?.Invoke(made) ?? made],
            }),
        });
    }

    private static ObjectReference Reference(string service) => new("", "Service", "app", service, Port: 80);

    [Theory]
    [InlineData(2, HttpStatusCode.OK, 3)]
    [InlineData(3, HttpStatusCode.ServiceUnavailable, 3)]
    public async Task Body_IsSentAgain_ToTheEndOfTheTries(int failures, HttpStatusCode expected, int tries)
    {
        SetRule(forward => forward with { Retry = new RetryRule { StatusCodes = [503], Backoff = TimeSpan.FromMilliseconds(1) } });
        _failures = failures;
        var body = new string('b', 40_000);

        var answer = await _client.PostAsync("/fail", new StringContent(body));

        Assert.Equal(expected, answer.StatusCode);
        Assert.Equal(Enumerable.Repeat(("web", body), tries), _bodies);
        Assert.Equal(Enumerable.Range(1, tries).Select(i => $"{i}"), _web.Requests.Select(request => request.Headers["x-envoy-attempt-count"]));
    }

    [Fact]
    public async Task Body_ThatIsTooLongToKeep_IsSentOnce()
    {
        SetRule(forward => forward with { Retry = new RetryRule { StatusCodes = [503], Backoff = TimeSpan.FromMilliseconds(1) } });
        _failures = 1;

        var answer = await _client.PostAsync("/fail", new StringContent(new string('b', BodyRecord.Most + 1)));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Single(_bodies);
    }

    [Fact]
    public async Task Status_ThatIsNotNamed_IsTheAnswer()
    {
        SetRule(forward => forward with { Retry = new RetryRule { StatusCodes = [503] } });
        (_failures, _status) = (1, 502);

        Assert.Equal(HttpStatusCode.BadGateway, (await _client.GetAsync("/fail")).StatusCode);
        Assert.Single(_web.Requests);
    }

    [Theory]
    [InlineData(RetryConditions.Reset, HttpStatusCode.OK)]
    [InlineData(RetryConditions.ConnectFailure, HttpStatusCode.ServiceUnavailable)]
    public async Task Endpoint_ThatBreaksOff_IsTriedAgainWhereTheRuleSaysSo(RetryConditions conditions, HttpStatusCode expected)
    {
        SetRule(forward => forward with { Retry = new RetryRule { Attempts = 3, Conditions = conditions, Backoff = TimeSpan.FromMilliseconds(1) } });
        _failures = 2;

        Assert.Equal(expected, (await _client.PostAsync("/reset", new StringContent("b"))).StatusCode);
    }

    [Fact]
    public async Task Whole_TakesTooLong_Is504_WithTheFlag()
    {
        SetRule(forward => forward with { Timeout = TimeSpan.FromMilliseconds(300) });

        var answer = await _client.GetAsync("/hold");

        Assert.Equal((HttpStatusCode.GatewayTimeout, "upstream request timeout"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        await _mesh.LoggedAsync("flags=\"UT\"");
        Assert.Single(_web.Requests);
    }

    [Fact]
    public async Task Try_TakesTooLong_IsMadeAgain_AndTheWholeEndsItAll()
    {
        SetRule(forward => forward with
        {
            Timeout = TimeSpan.FromSeconds(1),
            TryTimeout = TimeSpan.FromMilliseconds(200),
            Retry = new RetryRule { Attempts = 50, Conditions = RetryConditions.Reset, Backoff = TimeSpan.FromMilliseconds(1) },
        });
        var begun = Stopwatch.GetTimestamp();

        Assert.Equal(HttpStatusCode.GatewayTimeout, (await _client.GetAsync("/hold")).StatusCode);

        Assert.InRange(_web.Requests.Count, 2, 6);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0.9, 30);
    }

    [Fact]
    public async Task Time_RunsFromTheWholeRequest_NotWhileItComes()
    {
        SetRule(forward => forward with { Timeout = TimeSpan.FromMilliseconds(500) });
        using var slow = new SlowContent(TimeSpan.FromSeconds(1));

        Assert.Equal(HttpStatusCode.OK, (await _client.PostAsync("/", slow)).StatusCode);
    }

    [Fact]
    public async Task Limit_ThatIsNotReached_LeavesTheNextRequestAlone()
    {
        SetRule(forward => forward with { Timeout = TimeSpan.FromSeconds(20), TryTimeout = TimeSpan.FromSeconds(10) });

        for (var i = 0; i < 50; i++)
        {
            Assert.Equal("web:0", await _client.GetStringAsync("/"));
        }
    }

    [Fact]
    public async Task Mirror_GetsTheSame_AndNobodyWaitsForIt()
    {
        SetRule(forward => forward with { Mirrors = [new TrafficMirror(Reference("shadow"))] });

        Assert.Equal("web:4", await (await _client.PostAsync("/hold-copy", new StringContent("copy"))).Content.ReadAsStringAsync());

        await UntilAsync(() => !_shadow.Requests.IsEmpty && _bodies.Count == 2);
        Assert.Contains(("shadow", "copy"), _bodies);
        Assert.Equal("POST /hold-copy", $"{_shadow.Requests.Single().Method} {_shadow.Requests.Single().Target}");
        Assert.Equal(_web.Requests.Single().Headers["host"], _shadow.Requests.Single().Headers["host"]);
    }

    [Fact]
    public async Task Mirror_OfABodyThatIsTooLong_IsNotMade_AndTheRequestIs()
    {
        SetRule(forward => forward with { Mirrors = [new TrafficMirror(Reference("shadow"))] });

        var answer = await _client.PostAsync("/", new StringContent(new string('b', BodyRecord.Most + 1)));
        Assert.Equal($"web:{BodyRecord.Most + 1}", await answer.Content.ReadAsStringAsync());
        await (await _client.PostAsync("/", new StringContent("small"))).Content.ReadAsStringAsync();

        await UntilAsync(() => !_shadow.Requests.IsEmpty);
        Assert.Equal(("shadow", "small"), Assert.Single(_bodies, body => body.Pod == "shadow"));
    }

    [Fact]
    public async Task Mirror_OfAShare_GetsThatShare()
    {
        SetRule(forward => forward with { Mirrors = [new TrafficMirror(Reference("shadow"), 250_000)] });

        for (var i = 0; i < 400; i++)
        {
            await _client.GetStringAsync("/");
        }

        await UntilAsync(() => _shadow.Requests.Count >= 55);
        Assert.InRange(_shadow.Requests.Count, 55, 150);
    }

    [Fact]
    public async Task Mirror_ThatHangs_TakesNothingFromAnother()
    {
        _mesh.AddService("other");
        var copies = 0;
        await _mesh.AddPodAsync("other-0", "other", "other", map: app => app.Run(http =>
        {
            Interlocked.Increment(ref copies);
            return Task.CompletedTask;
        }));
        SetRule(forward => forward with { Mirrors = [new TrafficMirror(Reference("shadow"))] });
        for (var i = 0; i < 1100; i++)
        {
            await _client.GetStringAsync("/hold-copy");
        }

        SetRule(forward => forward with { Mirrors = [new TrafficMirror(Reference("other"))] });
        await _client.GetStringAsync("/");
        await UntilAsync(() => Volatile.Read(ref copies) == 1);
    }

    [Fact]
    public async Task Abort_AnswersInPlaceOfTheEndpoint()
    {
        SetRule(forward => forward, rule => rule with { Fault = new FaultRule { AbortStatus = 418, AbortPartsPerMillion = 1_000_000 } });

        var answer = await _client.GetAsync("/");

        Assert.Equal((418, "fault filter abort"), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        Assert.Empty(_web.Requests);
        await _mesh.LoggedAsync("flags=\"FI\"");
    }

    [Fact]
    public async Task Delay_HoldsBack_AndNotWhoHasLeft()
    {
        SetRule(forward => forward, rule => rule with { Fault = new FaultRule { Delay = TimeSpan.FromMilliseconds(300), DelayPartsPerMillion = 1_000_000 } });
        var begun = Stopwatch.GetTimestamp();
        Assert.Equal("web:0", await _client.GetStringAsync("/"));
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0.25, 30);

        SetRule(forward => forward, rule => rule with { Fault = new FaultRule { Delay = TimeSpan.FromHours(1), DelayPartsPerMillion = 1_000_000 } });
        using var leaves = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetAsync("/left", leaves.Token));
        await _mesh.LoggedAsync("/left");
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var i = 0; i < 3000 && !holds(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(holds());
    }

    /// <summary>A body that comes in two pieces.</summary>
    private sealed class SlowContent(TimeSpan pause) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("one"u8.ToArray());
            await stream.FlushAsync();
            await Task.Delay(pause);
            await stream.WriteAsync("two"u8.ToArray());
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 6;
            return true;
        }
    }
}
