using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Protos.ExternalAuth;
using Ambient.Node.Requests.ExternalAuthorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests;

/// <summary>CUSTOM policies over real sockets: a waypoint that asks an authorizer in the mesh, over gRPC and over HTTP.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class ExternalAuthorizationTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly ConcurrentQueue<CheckRequest> _checks = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Grpc_Allows_AndChangesRequestAndAnswer()
    {
        var (client, pod, _) = await StartAsync(Grpc(), _ => new CheckResponse
        {
            OkResponse = new OkResponse
            {
                Headers =
                {
                    Header("x-user", "jane"), Header("x-mine", "theirs"), Header("x-list", "b", append: true), Header("x-none", "b", append: true),
                    Header("x-absent", "1", HeaderValueOption.Types.AppendAction.AddIfAbsent), Header("x-mine", "never", HeaderValueOption.Types.AppendAction.AddIfAbsent),
                    Header("x-new", "never", HeaderValueOption.Types.AppendAction.OverwriteIfExists), Header("content-length", "7"), Header("connection", "x-user"),
                },
                HeadersToRemove = { "authorization", "host", ":path" },
                ResponseHeadersToAdd = { Header("x-answer", "1"), Header("x-pod", "hidden", HeaderValueOption.Types.AppendAction.OverwriteIfExistsOrAdd) },
                QueryParametersToSet = { new QueryParameter { Key = "q", Value = "a b" }, new QueryParameter { Key = "new", Value = "1" } },
                QueryParametersToRemove = { "secret" },
            },
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/private/x?secret=1&q=2&keep=%2F");
        request.Headers.Add("x-mine", "mine");
        request.Headers.Add("x-list", "a");
        request.Headers.Add("authorization", "Bearer t");
        request.Headers.Add("x-forwarded-client-cert", "By=me");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("1", Assert.Single(response.Headers.GetValues("x-answer")));
        Assert.Equal("hidden", Assert.Single(response.Headers.GetValues("x-pod")));
        var seen = Assert.Single(pod.Requests);
        Assert.Equal("/private/x?q=a%20b&keep=%2F&new=1", seen.Target);
        Assert.Equal(("jane", "theirs", "a,b", "1"), (seen.Headers["x-user"], seen.Headers["x-mine"], seen.Headers["x-list"], seen.Headers["x-absent"]));
        Assert.DoesNotContain("x-none", seen.Headers.Keys);
        Assert.DoesNotContain("x-new", seen.Headers.Keys);
        Assert.DoesNotContain("authorization", seen.Headers.Keys);
        Assert.Equal("a", seen.Headers["host"]);

        var check = Assert.Single(_checks).Attributes;
        Assert.Equal(TestMesh.Id("sleep").ToString(), check.Source.Principal);
        Assert.Equal(TestMesh.Id("waypoint").ToString(), check.Destination.Principal);
        Assert.StartsWith("127.", check.Source.Address.SocketAddress.Address, StringComparison.Ordinal);
        Assert.Equal(80u, check.Destination.Address.SocketAddress.PortValue);
        var http = check.Request.Http;
        Assert.Equal(("GET", "/private/x?secret=1&q=2&keep=%2F", "a", "http", "HTTP/1.1", 0), (http.Method, http.Path, http.Host, http.Scheme, http.Protocol, http.Size));
        Assert.Equal(("mine", "Bearer t", "a", "GET"), (http.Headers["x-mine"], http.Headers["authorization"], http.Headers[":authority"], http.Headers[":method"]));
        Assert.DoesNotContain("x-forwarded-client-cert", http.Headers.Keys);
        Assert.True(check.Request.Time.Seconds > 1_700_000_000);
        Assert.Contains("ambient_policy_decisions_total{policy=\"app/custom\",decision=\"allowed_externally\"} 1", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatNoCustomRuleMatches_IsNotAsked()
    {
        var (client, pod, _) = await StartAsync(Grpc(), _ => TestAuthorizer.Denied(403));

        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("/public", UriKind.Relative)));
        Assert.Empty(_checks);
        Assert.Single(pod.Requests);
    }

    [Fact]
    public async Task Grpc_Denies_WithItsOwnAnswer()
    {
        var (client, pod, _) = await StartAsync(Grpc(), _ => new CheckResponse
        {
            Status = new Status { Code = 7 },
            DeniedResponse = new DeniedResponse
            {
                Status = new Protos.ExternalAuth.HttpStatus { Code = 302 },
                Headers = { Header("location", "https://login.example/"), Header("set-cookie", "a=1"), Header("set-cookie", "b=2", append: true), Header("content-type", "text/html") },
                Body = "<h1>no</h1>",
            },
        });
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        Assert.Equal(302, (int)response.StatusCode);
        Assert.Equal("https://login.example/", response.Headers.Location?.ToString());
        Assert.Equal(["a=1", "b=2"], response.Headers.GetValues("set-cookie"));
        Assert.Equal("text/html", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("<h1>no</h1>", await response.Content.ReadAsStringAsync());
        Assert.Equal("istio-envoy", response.Headers.Server.ToString());
        Assert.Empty(pod.Requests);
        await _mesh.LoggedAsync("flags=\"UAEX\"");
        Assert.Contains("policy=\"the external authorizer denied for: app/custom, rule 0\"", _mesh.Log, StringComparison.Ordinal);
        Assert.Contains("ambient_policy_decisions_total{policy=\"app/custom\",decision=\"denied_externally\"} 1", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GrpcClient_GetsADenialAsItsStatus()
    {
        var (client, _, _) = await StartAsync(Grpc(), _ => TestAuthorizer.Denied(401, "log in, bitte: ä"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/private/Call") { Content = new ByteArrayContent([0, 0, 0, 0, 0]) };
        request.Content.Headers.Add("content-type", "application/grpc");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/grpc", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("16", Assert.Single(response.Headers.GetValues("grpc-status")));
        Assert.Equal("log in, bitte: %C3%A4", Assert.Single(response.Headers.GetValues("grpc-message")));
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task CustomComesFirst_DenyAndAllowSeeWhatItHasMadeOfTheRequest()
    {
        var (client, pod, _) = await StartAsync(Grpc(), check => check.Attributes.Request.Http.Path == "/private/ask"
            ? new CheckResponse { OkResponse = new OkResponse { Headers = { Header("x-group", "admin") } } }
            : TestAuthorizer.Denied(404));
        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/allow", Policy("allow", PolicyAction.Allow) with
            {
                Rules = [new RequestRule { When = [new RequestCondition("request.headers[x-group]", new ValueMatch(["admin"], []))] }],
            }),
        });
        using var let = await client.GetAsync(new Uri("/private/ask", UriKind.Relative));
        using var kept = await client.GetAsync(new Uri("/private/other", UriKind.Relative));
        using var unasked = await client.GetAsync(new Uri("/public", UriKind.Relative));

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotFound, HttpStatusCode.Forbidden), (let.StatusCode, kept.StatusCode, unasked.StatusCode));
        Assert.Single(pod.Requests);
    }

    [Theory]
    [InlineData(true, "b-0")]
    [InlineData(false, "a-0")]
    public async Task Routes_LookAtTheRequestAsItCame_UnlessRouteCacheIsCleared(bool clears, string reached)
    {
        _mesh.AddService("b");
        await _mesh.AddPodAsync("b-0", "b", "b");
        var (client, _, _) = await StartAsync(Grpc() with { ClearRouteCache = clears }, _ => new CheckResponse { OkResponse = new OkResponse { Headers = { Header("x-to", "b") } } });
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/a", new HttpRoute
            {
                Name = "a",
                Namespace = "app",
                ParentRefs = [new ObjectReference("", "Service", "app", "a")],
                Rules = [Rule("b", new TrafficMatch { Headers = [new NamedValueMatch("x-to", new TextMatch(TextMatchKind.Exact, "b"))] }), Rule("a", new TrafficMatch())],
            }),
        });

        Assert.Equal($"hello from {reached}", await client.GetStringAsync(new Uri("/private", UriKind.Relative)));
    }

    [Theory]
    [InlineData(false, false, 50, "413", 0, null)]
    [InlineData(true, false, 50, "200", 10, true)]
    [InlineData(true, true, 8, "200", 8, false)]
    [InlineData(false, true, 10, "200", 10, false)]
    [InlineData(false, false, 0, "200", 0, false)]
    public async Task Body_IsToldWithinItsBound_AndSentOnWhole(bool allowPartial, bool asBytes, int length, string status, int told, bool? partial)
    {
        var received = new ConcurrentQueue<string>();
        var (client, _, _) = await StartAsync(
            Grpc() with { Body = new CheckedBody(10, allowPartial, asBytes) }, _ => new CheckResponse(), async http =>
            {
                using var reader = new StreamReader(http.Request.Body);
                received.Enqueue(await reader.ReadToEndAsync());
            });
        var body = string.Concat(Enumerable.Range(0, length).Select(i => (char)('a' + (i % 26))));
        using var response = await client.PostAsync(new Uri("/private", UriKind.Relative), length == 0 ? null : new StringContent(body));

        Assert.Equal(status, $"{(int)response.StatusCode}");
        if (status == "413")
        {
            Assert.Empty(_checks);
            Assert.Equal("Payload Too Large", await response.Content.ReadAsStringAsync());
            return;
        }

        var http = Assert.Single(_checks).Attributes.Request.Http;
        Assert.Equal(body[..told], asBytes ? Encoding.ASCII.GetString(http.RawBody.Span) : http.Body);
        Assert.Equal(partial == true ? "true" : "false", http.Headers["x-envoy-auth-partial-body"]);
        Assert.Equal(body, Assert.Single(received));
    }

    [Theory]
    [InlineData(false, 403)]
    [InlineData(true, 200)]
    public async Task Authorizer_ThatHangs_IsGivenUp_AsConfigured(bool failOpen, int status)
    {
        var hanging = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (client, pod, _) = await StartAsync(Grpc() with { Timeout = TimeSpan.FromMilliseconds(200), FailOpen = failOpen }, _ => throw new InvalidOperationException("not asked"), hang: hanging.Task);
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        hanging.SetResult();
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(failOpen ? 1 : 0, pod.Requests.Count);
        await _mesh.LoggedAsync("no answer from authz.app.svc.cluster.local within 0.2 s");
        Assert.Contains($"decision=\"{(failOpen ? "failed_open" : "failed_externally")}\"}} 1", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Authorizer_ThatCannotBeReached_IsAnsweredWithStatusOnError()
    {
        var (client, _, authorizer) = await StartAsync(Grpc() with { StatusOnError = 503 }, _ => new CheckResponse());
        await authorizer.DisposeAsync();
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsStringAsync());
        await _mesh.LoggedAsync("flags=\"UAEX\"");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OurOwnLimits_RefuseWhatNobodyWasAskedAbout_WhateverFailOpenSays(bool ofBodies)
    {
        _mesh.AuthorizerLimits = ofBodies ? new CheckLimits { MaxBodyBytes = 13 } : new CheckLimits { MaxChecks = 1 };
        var hanging = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (client, pod, _) = await StartAsync(Grpc() with { FailOpen = true, Body = new CheckedBody(10, AllowPartial: true, AsBytes: false) }, _ => new CheckResponse(), hang: hanging.Task);
        var waiting = client.PostAsync(new Uri("/private", UriKind.Relative), new StringContent("1234"));
        while (_checks.IsEmpty)
        {
            await Task.Delay(10);
        }

        using var response = await client.PostAsync(new Uri("/private", UriKind.Relative), new StringContent("123456"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("true", Assert.Single(response.Headers.GetValues("x-envoy-overloaded")));
        Assert.Empty(pod.Requests);
        await _mesh.LoggedAsync(ofBodies ? "was not asked, there is too much to do: too many bytes of bodies are held" : "was not asked, there is too much to do: 1 of 1 questions wait for authz");
        await _mesh.LoggedAsync("flags=\"OM\"");
        Assert.Contains("decision=\"failed_externally\"} 1", _mesh.Scrape, StringComparison.Ordinal);
        hanging.SetResult();
        using var first = await waiting;
    }

    [Fact]
    public async Task Body_ThatDoesNotCome_EndsItsRequest_AndNobodyIsAsked()
    {
        _mesh.AuthorizerLimits = new CheckLimits { BodyTimeout = TimeSpan.FromMilliseconds(200) };
        var (client, pod, _) = await StartAsync(Grpc() with { FailOpen = true, Body = new CheckedBody(10, AllowPartial: false, AsBytes: false) }, _ => new CheckResponse());
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/private") { Content = new SlowContent("12", never.Task), Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var response = await client.SendAsync(request);

        never.SetResult();
        Assert.Equal(HttpStatusCode.RequestTimeout, response.StatusCode);
        Assert.Equal("request timeout", await response.Content.ReadAsStringAsync());
        Assert.Empty(pod.Requests);
        Assert.Empty(_checks);
        await _mesh.LoggedAsync("its body did not come within 0.2 s");
        Assert.Equal(0, _mesh.Node!.Authorizers!.Bodies.Held);
    }

    [Fact]
    public async Task Body_IsCountedAsLongAsItIsHeld()
    {
        var held = new ConcurrentQueue<long>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (client, _, _) = await StartAsync(Grpc() with { Body = new CheckedBody(10, AllowPartial: false, AsBytes: false) }, _ => new CheckResponse(), async http =>
        {
            await http.Request.Body.CopyToAsync(Stream.Null);
            held.Enqueue(_mesh.Node!.Authorizers!.Bodies.Held);
            await http.Response.Body.FlushAsync();
            await done.Task;
        });
        var call = new HttpRequestMessage(HttpMethod.Post, "/private") { Content = new StringContent("12345") };
        using var response = await client.SendAsync(call, HttpCompletionOption.ResponseHeadersRead);

        // An answer that goes on does not hold what was sent.
        Assert.Equal(5, Assert.Single(held));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (_mesh.Node!.Authorizers!.Bodies.Held > 0)
        {
            await Task.Delay(10, deadline.Token);
        }

        done.SetResult();
        await response.Content.ReadAsStringAsync();
    }

    [Fact]
    public async Task Body_IsCountedTwice_WhereTheQuestionIsACopyOfIt()
    {
        _mesh.AuthorizerLimits = new CheckLimits { MaxBodyBytes = 14 };
        var (client, pod, _) = await StartAsync(Grpc() with { FailOpen = true, Body = new CheckedBody(10, AllowPartial: true, AsBytes: true) }, _ => new CheckResponse());
        using var small = await client.PostAsync(new Uri("/private", UriKind.Relative), new StringContent("1234"));
        using var large = await client.PostAsync(new Uri("/private", UriKind.Relative), new StringContent("12345"));

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (small.StatusCode, large.StatusCode));
        Assert.Single(_checks);
        Assert.Single(pod.Requests);
        Assert.Equal(0, _mesh.Node!.Authorizers!.Bodies.Held);
    }

    [Theory]
    [InlineData(5, "8", 503)]
    [InlineData(0, "8", 200)]
    [InlineData(5, "13", 200)]
    [InlineData(4 * 1024 * 1024, "13", 503)]
    public async Task Question_ThatMayBeTooLargeForTheAuthorizer_IsNotFailedOpen(int length, string grpcStatus, int status)
    {
        var (client, pod, _) = await StartAsync(
            Grpc() with { FailOpen = true, Body = new CheckedBody(5 * 1024 * 1024, AllowPartial: true, AsBytes: false) },
            null,
            authorize: async http =>
            {
                await http.Request.Body.CopyToAsync(Stream.Null);
                http.Response.ContentType = "application/grpc";
                http.Response.Headers["grpc-status"] = grpcStatus;
                http.Response.Headers["grpc-message"] = "no room";
            });
        using var response = await client.PostAsync(new Uri("/private", UriKind.Relative), length == 0 ? null : new ByteArrayContent(new byte[length]));

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200 ? 1 : 0, pod.Requests.Count);
        await _mesh.LoggedAsync("no room");
    }

    [Fact]
    public async Task Authorizer_WhoseAnswerNoRequestMayHave_IsNotFollowed_NorFailedOpen()
    {
        var (client, pod, _) = await StartAsync(
            Grpc() with { FailOpen = true }, _ => new CheckResponse { OkResponse = new OkResponse { Headers = { Header("x-user", "a\r\nx-admin: 1") } } });
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Empty(pod.Requests);
    }

    [Fact]
    public async Task Provider_ThatIsMissing_DeniesWhatItsPolicyMatches_AndNothingElse()
    {
        var (client, pod, _) = await StartAsync(Grpc(), _ => new CheckResponse());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri("/private", UriKind.Relative))).StatusCode);
        _mesh.Configure(requests => requests with { ExternalAuthorizers = ImmutableDictionary<string, ExternalAuthorizer>.Empty });
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("RBAC: access denied", await response.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri("/public", UriKind.Relative))).StatusCode);
        Assert.Equal(2, pod.Requests.Count);
    }

    [Fact]
    public async Task OpenRequest_ThatANewCustomPolicyIsAbout_Ends_AndOneThatWasAskedGoesOn()
    {
        var entered = new SemaphoreSlim(0);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (client, _, _) = await StartAsync(Grpc(), _ => new CheckResponse(), async http =>
        {
            await http.Response.WriteAsync("begun\n");
            await http.Response.Body.FlushAsync();
            entered.Release();
            await go.Task;
            await http.Response.WriteAsync("done\n");
        });
        using var asked = await client.GetAsync(new Uri("/private", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        using var unasked = await client.GetAsync(new Uri("/public", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        await entered.WaitAsync();
        await entered.WaitAsync();
        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/more", Policy("more", PolicyAction.Custom) with { Provider = "authz", Rules = [new RequestRule()] }),
        });
        await _mesh.LoggedAsync("the external authorizer was not asked for: app/more");
        go.SetResult();

        Assert.Equal("begun\ndone\n", await asked.Content.ReadAsStringAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => unasked.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Http_IsAskedWithTheHeadersConfigured_AndAllowsWith200()
    {
        var (client, pod, authorizer) = await StartAsync(Http(), null, authorize: http =>
        {
            http.Response.Headers["x-user"] = "jane";
            http.Response.Headers["x-meta-a"] = "1";
            http.Response.Headers["x-other"] = "never";
            http.Response.Headers["x-ok"] = "told";
            http.Response.Headers["x-envoy-auth-headers-to-remove"] = "cookie, x-ext-a";
            return Task.CompletedTask;
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/private/x?q=1") { Content = new StringContent("hello, body") };
        request.Headers.Add("cookie", "c=1");
        request.Headers.Add("x-ext-a", "1");
        request.Headers.Add("x-from", "client");
        request.Headers.Add("x-secret", "1");
        request.Headers.Add("authorization", "Bearer t");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("told", Assert.Single(response.Headers.GetValues("x-ok")));
        Assert.False(response.Headers.Contains("x-other"));
        var check = Assert.Single(authorizer.Requests);
        Assert.Equal(("POST", "/check/private/x?q=1", "a", "HTTP/1.1"), (check.Method, check.Target, check.Headers["host"], check.Protocol));
        Assert.Equal(("c=1", "1", "waypoint", "Bearer t", "4"), (check.Headers["cookie"], check.Headers["x-ext-a"], check.Headers["x-from"], check.Headers["authorization"], check.Headers["content-length"]));
        Assert.DoesNotContain("x-secret", check.Headers.Keys);
        Assert.DoesNotContain("content-type", check.Headers.Keys);
        var seen = Assert.Single(pod.Requests);
        Assert.Equal(("jane", "1", "client"), (seen.Headers["x-user"], seen.Headers["x-meta-a"], seen.Headers["x-from"]));
        Assert.DoesNotContain("x-other", seen.Headers.Keys);
        Assert.DoesNotContain("cookie", seen.Headers.Keys);
        Assert.DoesNotContain("x-ext-a", seen.Headers.Keys);
    }

    [Theory]
    [InlineData(401, 401, true)]
    [InlineData(200, 200, false)]
    [InlineData(204, 204, true)]
    [InlineData(500, 418, false)]
    public async Task Http_OtherAnswersDeny_And5xxIsAFailure(int answered, int status, bool itsOwn)
    {
        var (client, pod, _) = await StartAsync(Http() with { StatusOnError = 418 }, null, authorize: async http =>
        {
            http.Response.StatusCode = answered;
            http.Response.Headers.WWWAuthenticate = "Basic";
            http.Response.Headers["x-why"] = "because";
            http.Response.Headers.SetCookie = "a=1";
            if (answered != 204)
            {
                await http.Response.WriteAsync("not you");
            }
        });
        using var response = await client.GetAsync(new Uri("/private", UriKind.Relative));

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200 ? 1 : 0, pod.Requests.Count);
        Assert.Equal(itsOwn, response.Headers.Contains("set-cookie"));
        Assert.Equal(itsOwn, response.Headers.WwwAuthenticate.Count > 0);
        Assert.False(response.Headers.Contains("x-why"));
        Assert.Equal(answered == 401 ? "not you" : status == 200 ? "hello from a-0" : "", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Connection_IsAskedAboutOverGrpc_AndClosedWhereDenied()
    {
        var allow = true;
        var (_, pod, _) = await StartAsync(Grpc(), _ => allow ? new CheckResponse() : TestAuthorizer.Denied(403));
        var service = _mesh.Store.Current.Services["app/a.app.svc.cluster.local"];
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 81);
        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("http://a:81/public")));
        var check = Assert.Single(_checks).Attributes;
        Assert.Equal((TestMesh.Id("sleep").ToString(), 81u), (check.Source.Principal, check.Destination.Address.SocketAddress.PortValue));
        Assert.Null(check.Request.Http);

        allow = false;
        using var other = _mesh.ThroughWaypoint(TestMesh.Id("other"), service, 81);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => other.GetStringAsync(new Uri("http://a:81/public")));
        Assert.Single(pod.Requests);
    }

    [Fact]
    public async Task Connection_IsNotAskedAboutOverHttp()
    {
        var (_, _, authorizer) = await StartAsync(Http(), null, authorize: http =>
        {
            http.Response.StatusCode = 403;
            return Task.CompletedTask;
        });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _mesh.Store.Current.Services["app/a.app.svc.cluster.local"], 81);

        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("http://a:81/private")));
        Assert.Empty(authorizer.Requests);
    }

    [Theory]
    [InlineData("request.auth.claims[sub]")]
    [InlineData("request.headers[x-user]")]
    public async Task RuleAboutWhatATokenSays_MatchesNothing_AndValidTokensPass(string key)
    {
        await using var issuer = new Tokens.TestIssuer().WithRsa("k1");
        var (client, pod, _) = await StartAsync(Grpc(), _ => TestAuthorizer.Denied(403));
        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/custom", requests.AuthorizationPolicies["app/custom"] with
            {
                Rules = [new RequestRule { When = [new RequestCondition(key, new ValueMatch(["jane"], []))] }],
            }),
            RequestAuthentications = requests.RequestAuthentications.SetItem("app/jwt", new RequestAuthentication
            {
                Name = "jwt",
                Namespace = "app",
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Rules = [new JwtRule { Issuer = "https://issuer.example", Jwks = issuer.Keys(), OutputClaimToHeaders = [new ClaimHeader("x-user", "sub")] }],
            }),
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/private");
        request.Headers.Add("authorization", $"Bearer {issuer.Sign("k1", "RS256", "{\"iss\":\"https://issuer.example\",\"sub\":\"jane\"}")}");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("jane", Assert.Single(pod.Requests).Headers["x-user"]);
        Assert.Empty(_checks);
    }

    private static ExternalAuthorizer Grpc() => new()
    {
        Name = "authz",
        Protocol = ExternalAuthorizerProtocol.Grpc,
        Hostname = "authz.app.svc.cluster.local",
        Port = 92,
        Timeout = TimeSpan.FromSeconds(60),
    };

    private static ExternalAuthorizer Http() => new()
    {
        Name = "authz",
        Protocol = ExternalAuthorizerProtocol.Http,
        Hostname = "authz.app.svc.cluster.local",
        ServiceNamespace = "app",
        Port = 80,
        Timeout = TimeSpan.FromSeconds(60),
        PathPrefix = "/check",
        RequestHeaders = [StringMatch.Parse("cookie"), StringMatch.Parse("X-Ext-*")],
        AdditionalHeaders = [new NamedValue("x-from", "waypoint")],
        Body = new CheckedBody(4, AllowPartial: true, AsBytes: false),
        HeadersToUpstreamOnAllow = [StringMatch.Parse("x-user"), StringMatch.Parse("x-meta-*")],
        HeadersToDownstreamOnDeny = [StringMatch.Parse("set-cookie")],
        HeadersToDownstreamOnAllow = [StringMatch.Parse("x-ok")],
    };

    private static RequestAuthorizationPolicy Policy(string name, PolicyAction action) => new()
    {
        Name = name,
        Namespace = "app",
        Action = action,
        Targets = [new ObjectReference("", "Service", "app", "a")],
    };

    private static TrafficRule Rule(string backend, TrafficMatch match) => new()
    {
        Matches = [match],
        Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", backend, Port: 80), 1)] },
    };

    private static HeaderValueOption Header(string name, string value, bool append) =>
        new() { Header = new HeaderValue { Key = name, Value = value }, Append = new BoolValue { Value = append } };

    private static HeaderValueOption Header(string name, string value, HeaderValueOption.Types.AppendAction action = default) =>
        new() { Header = new HeaderValue { Key = name, Value = value }, AppendAction = action };

    /// <summary>Service a behind the waypoint, whose requests below /private an authorizer is asked about, and a client of it.</summary>
    private async Task<(HttpClient Client, TestPod Pod, TestPod Authorizer)> StartAsync(
        ExternalAuthorizer authorizer, Func<CheckRequest, CheckResponse>? decide, RequestDelegate? app = null, RequestDelegate? authorize = null, Task? hang = null)
    {
        var service = _mesh.AddService("a");
        _mesh.AddService("authz", waypoint: null);
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", map: application =>
        {
            if (app is not null)
            {
                application.Run(app);
            }
        });
        var asked = await _mesh.AddPodAsync("authz-0", "authz", "authz", map: application =>
        {
            if (authorize is not null)
            {
                application.Run(authorize);
            }
            else
            {
                application.MapPost("/envoy.service.auth.v3.Authorization/Check", http => AnswerAsync(http, decide!, hang));
            }
        });
        _mesh.Configure(requests => requests with
        {
            ExternalAuthorizers = requests.ExternalAuthorizers.SetItem(authorizer.Name, authorizer),
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/custom", Policy("custom", PolicyAction.Custom) with
            {
                Provider = authorizer.Name,
                Rules = [new RequestRule { To = [new RequestOperation { Paths = new ValueMatch(["/private*"], []) }] }],
            }),
        });
        await _mesh.StartWaypointAsync();
        return (_mesh.ThroughWaypoint(TestMesh.Id("sleep"), service), pod, asked);
    }

    /// <summary>A body whose rest waits.</summary>
    private sealed class SlowContent(string first, Task rest) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(first));
            await stream.FlushAsync();
            await rest;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private async Task AnswerAsync(HttpContext http, Func<CheckRequest, CheckResponse> decide, Task? hang)
    {
        Assert.Equal("application/grpc", http.Request.ContentType);
        Assert.Equal("authz.app.svc.cluster.local", http.Request.Host.Value);
        var check = await TestAuthorizer.ReadAsync(http);
        _checks.Enqueue(check);
        if (hang is not null)
        {
            await hang;
            return;
        }

        await TestAuthorizer.AnswerAsync(http, decide(check));
    }
}
