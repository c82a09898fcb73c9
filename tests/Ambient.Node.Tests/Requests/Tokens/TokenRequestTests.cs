using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Microsoft.AspNetCore.Builder;

namespace Ambient.Node.Tests.Requests.Tokens;

/// <summary>Tokens at a waypoint, over sockets: what the endpoint sees, who is let in, and what the log says.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class TokenRequestTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly TestIssuer _issuer = new TestIssuer().WithRsa("k1");
    private readonly TaskCompletionSource _cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MeshService _service = null!;
    private TestPod _pod = null!;

    public async Task InitializeAsync()
    {
        _service = _mesh.AddService("a");
        _pod = await _mesh.AddPodAsync("a-0", "a", "a", map: app => app.MapPost("/slow", async http =>
        {
            try
            {
                await http.Request.Body.CopyToAsync(Stream.Null);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                _cut.TrySetResult();
            }
        }));
    }

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task ValidToken_IsTakenOut_AndItsClaimsAreWritten_WhateverTheClientSays()
    {
        Ask(new JwtRule
        {
            Issuer = "https://issuer.example",
            Jwks = _issuer.Keys(),
            OutputPayloadToHeader = "x-payload",
            OutputClaimToHeaders = [new("x-sub", "sub"), new("x-team", "nested.team"), new("x-bad", "bad"), new("x-none", "none")],
        });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _service);
        const string Payload = """{"iss":"https://issuer.example","sub":"alice","nested":{"team":"red"},"bad":"a\r\nx-admin: yes"}""";
        var token = _issuer.Sign("k1", "RS256", Payload);
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/p?x=%20&access_token={token}&y");
            request.Headers.TryAddWithoutValidation("authorization", $"Bearer {token}");
            foreach (var spoofed in (string[])["x-payload", "x-sub", "X-Team", "x-bad", "x-none"])
            {
                request.Headers.TryAddWithoutValidation(spoofed, "spoofed");
            }

            using var answer = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(_pod.Requests.TryDequeue(out var seen));
            Assert.Equal("/p?x=%20&y", seen.Target);
            Assert.Equal(("alice", "red", token.Split('.')[1]), (seen.Headers["x-sub"], seen.Headers["x-team"], seen.Headers["x-payload"]));
            Assert.DoesNotContain("authorization", seen.Headers.Keys);
            Assert.DoesNotContain("x-admin", seen.Headers.Keys);
            Assert.DoesNotContain("x-bad", seen.Headers.Keys);
            Assert.DoesNotContain("x-none", seen.Headers.Keys);
        }

        // Without a token nobody says who it is, so nothing may say so.
        using var without = new HttpRequestMessage(HttpMethod.Get, "/");
        without.Headers.TryAddWithoutValidation("x-sub", "spoofed");
        using var passed = await client.SendAsync(without);
        Assert.Equal(HttpStatusCode.OK, passed.StatusCode);
        Assert.True(_pod.Requests.TryDequeue(out var last));
        Assert.DoesNotContain("x-sub", last.Headers.Keys);
        Assert.Contains("ambient_jwt_cache_hit_total 1", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("ambient_jwt_allowed_total 2", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ijE0Mpmdfm2yZJ8P2dNNeFmnGuPc9fGi9FRFwNHNVQp9Hjc1Jf97RcHUkLE6x25uS9ohjlkyxl6CPdOaStXxCA", HttpStatusCode.OK)]
    [InlineData("ijE0Mpmdfm2yZJ8P2dNNeFmnGuPc9fGi9FRFwNHNVQp9Hjc1Jf97RcHUkLE6x25uS9ohjlkyxl6CPdOaStXxCQ", HttpStatusCode.Unauthorized)]
    public async Task TokenOfEd25519_IsVerified(string signature, HttpStatusCode expected)
    {
        Ask(new JwtRule
        {
            Issuer = "https://issuer.example",
            Jwks = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"P7itY-vpeqAT5hwhW7i51RxSwyrq4Xe2UCBpg1iSoPM\"}]}",
            OutputClaimToHeaders = [new("x-sub", "sub")],
        });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _service);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("authorization", $"Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYWxpY2UifQ.{signature}");
        using var answer = await client.SendAsync(request);
        Assert.Equal(expected, answer.StatusCode);
        Assert.Equal(expected == HttpStatusCode.OK ? "alice" : null, _pod.Requests.TryDequeue(out var seen) ? seen.Headers["x-sub"] : null);
    }

    [Fact]
    public async Task ForwardedToken_StaysAsItIs()
    {
        Ask(new JwtRule { Issuer = "https://issuer.example", Jwks = _issuer.Keys(), ForwardOriginalToken = true });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _service);
        var token = _issuer.Sign("k1", "RS256", """{"iss":"https://issuer.example"}""");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/?access_token={token}");
        request.Headers.TryAddWithoutValidation("authorization", $"Bearer {token}");
        using var answer = await client.SendAsync(request);
        Assert.True(_pod.Requests.TryDequeue(out var seen));
        Assert.Equal(($"/?access_token={token}", $"Bearer {token}"), (seen.Target, seen.Headers["authorization"]));
    }

    [Fact]
    public async Task InvalidToken_IsRefused_AndTheLogNamesTheObject_AndNeverTheToken()
    {
        Ask(new JwtRule { Issuer = "https://issuer.example", Jwks = _issuer.Keys() });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _service);
        await using var stranger = new TestIssuer().WithRsa("k1");
        var token = stranger.Sign("k1", "RS256", """{"iss":"https://issuer.example","sub":"mallory"}""");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/p?q=\"");
        request.Headers.TryAddWithoutValidation("authorization", $"Bearer {token}");
        using var answer = await client.SendAsync(request);
        Assert.Equal((HttpStatusCode.Unauthorized, "Jwt verification fails"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        Assert.Empty(_pod.Requests);
        await _mesh.LoggedAsync("Jwt verification fails (RequestAuthentication app/jwt, issuer https://issuer.example)");
        foreach (var part in token.Split('.'))
        {
            Assert.DoesNotContain(part, _mesh.Log, StringComparison.Ordinal);
        }

        Assert.Contains("ambient_jwt_denied_total{reason=\"VerificationFailed\"} 1", _mesh.Scrape, StringComparison.Ordinal);
    }

    /// <summary>What a token says is good as long as the rule that vouched for it: an open request is asked again when that goes.</summary>
    [Fact]
    public async Task Rule_ThatGoes_TakesWithItWhatItLetIn()
    {
        Ask(new JwtRule { Issuer = "https://issuer.example", Jwks = _issuer.Keys() });
        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.Add("app/token", new RequestAuthorizationPolicy
            {
                Name = "token",
                Namespace = "app",
                Action = PolicyAction.Allow,
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Rules = [new RequestRule { From = [new RequestSource { RequestPrincipals = new ValueMatch(["https://issuer.example/alice"], []) }] }],
            }),
        });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _service);
        using var refused = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);

        using var content = new EndlessContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/slow") { Content = content };
        request.Headers.TryAddWithoutValidation("authorization", $"Bearer {_issuer.Sign("k1", "RS256", """{"iss":"https://issuer.example","sub":"alice"}""")}");
        var open = client.SendAsync(request);
        await content.Begun.Task.WaitAsync(TimeSpan.FromSeconds(60));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!_pod.Requests.Any(seen => seen.Target == "/slow"))
        {
            await Task.Delay(5, patience.Token);
        }

        // Another policy changes nothing for it.
        _mesh.SetPolicy("methods", "a", [], ["GET"]);
        Assert.False(open.IsCompleted);
        _mesh.Configure(requests => requests with { RequestAuthentications = requests.RequestAuthentications.Clear() });
        await _cut.Task.WaitAsync(TimeSpan.FromSeconds(60));
        content.End();
        await _mesh.LoggedAsync("allow policies exist, but none allowed (for example app/methods)");
    }

    private void Ask(JwtRule rule) => _mesh.Configure(requests => requests with
    {
        RequestAuthentications = requests.RequestAuthentications.Add(
            "app/jwt", new RequestAuthentication { Name = "jwt", Namespace = "app", Targets = [new ObjectReference("", "Service", "app", "a")], Rules = [rule] }),
    });

    /// <summary>A body that begins and does not end.</summary>
    private sealed class EndlessContent : HttpContent
    {
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void End() => _end.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            // A little now and then: a client that writes nothing does not notice that it was cut off.
            do
            {
                await stream.WriteAsync(new byte[10]);
                await stream.FlushAsync();
                Begun.TrySetResult();
            }
            while (await Task.WhenAny(_end.Task, Task.Delay(20)) != _end.Task);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
