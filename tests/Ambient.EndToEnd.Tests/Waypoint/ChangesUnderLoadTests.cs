using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Ambient.EndToEnd.Tests.Cluster;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>Routes, rules and policies that come, change and go while requests pass: each takes effect, and none costs a request.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class ChangesUnderLoadTests : IAsyncLifetime
{
    private readonly LocalCluster _cluster = new();
    private readonly SteadyRequests _load = new();
    private HttpClient _sleep = null!;
    private IPAddress _client = null!;
    private RunningHost _waypoint = null!;
    private List<RunningHost> _hosts = null!;

    public async Task InitializeAsync()
    {
        _client = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        _cluster.AddService("web", "web");
        for (var i = 1; i < 3; i++)
        {
            var name = $"web-v{i}";
            await _cluster.StartAppAsync(name, _cluster.AddDeployment(name, "web", "node-b", "web"), app => app.MapPost("/strict", async http =>
            {
                using var reader = new StreamReader(http.Request.Body);
                var text = await reader.ReadToEndAsync();
                http.Response.ContentLength = text.Length;
                await http.Response.WriteAsync(text);
            }));
            _cluster.AddService(name, "web", name);
        }

        _cluster.AddWaypoint();
        _hosts = [await _cluster.StartZtunnelAsync("node-a"), await _cluster.StartZtunnelAsync("node-b"), _waypoint = await _cluster.StartWaypointAsync("waypoint")];
        _sleep = LocalCluster.ClientOf(_client);
    }

    public async Task DisposeAsync()
    {
        await _load.DisposeAsync();
        _sleep.Dispose();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task RoutesRulesAndPolicies_ChangeUnderLoad_NoRequestIsLost()
    {
        await AnsweredAsync("/", response => response.Headers.Server.ToString() == "istio-envoy");
        for (var i = 0; i < 4; i++)
        {
            _load.Add(() => new StrictClient(new IPEndPoint(_client, 15080), "web"), "web:9080", keep: i % 2 == 0);
        }

        _load.Add(_sleep, new Uri("http://web:9090/"));
        await _load.AnsweredAsync(100, _waypoint);
        for (var round = 0; round < 4; round++)
        {
            var mark = round.ToString(CultureInfo.InvariantCulture);
            _cluster.Apply("route", Route(round % 2 + 1, mark));
            _cluster.Apply("rule", Rule(round % 2 == 0 ? "ROUND_ROBIN" : "LEAST_REQUEST"));
            _cluster.Apply("policies", Policies(mark));
            _cluster.Apply("tokens", Tokens);

            // Each is in force: the route by its header, the policy by what it denies, the authentication by a token that is none.
            await AnsweredAsync("/", response => response.Headers.TryGetValues("x-round", out var values) && values.Single() == mark);
            await AnsweredAsync($"/denied-{mark}", response => response.StatusCode == HttpStatusCode.Forbidden);
            await AnsweredAsync("/", response => response.StatusCode == HttpStatusCode.Unauthorized, "no.such.token");
            await _load.AnsweredAsync(50, _waypoint);
            foreach (var name in new[] { "tokens", "policies", "rule", "route" })
            {
                _cluster.Remove(name);
            }

            await AnsweredAsync($"/denied-{mark}", response => response.IsSuccessStatusCode && !response.Headers.Contains("x-round"));
            await _load.AnsweredAsync(50, _waypoint);
        }

        await _load.EndAsync(_hosts);
    }

    private Task AnsweredAsync(string path, Func<HttpResponseMessage, bool> holds, string? token = null) => LocalCluster.EventuallyAsync(
        async () =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://web:9080{path}");
            request.Headers.Authorization = token is null ? null : new("Bearer", token);
            using var response = await _sleep.SendAsync(request);
            return holds(response);
        },
        () => $"{path} is not answered as it should be:\n{_waypoint.Log[^Math.Min(_waypoint.Log.Length, 4000)..]}");

    private static string Route(int version, string mark) => $"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata:
          name: web
          namespace: app
        spec:
          parentRefs:
          - group: ""
            kind: Service
            name: web
            port: 9080
          rules:
          - filters:
            - type: ResponseHeaderModifier
              responseHeaderModifier:
                set:
                - name: x-round
                  value: "{mark}"
            backendRefs:
            - name: web-v{version}
              port: 9080

        """;

    private static string Rule(string balancer) => $"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: web
          namespace: app
        spec:
          host: web
          trafficPolicy:
            loadBalancer:
              simple: {balancer}
            outlierDetection:
              consecutive5xxErrors: 5

        """;

    private static string Policies(string mark) => $"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata:
          name: deny-{mark}
          namespace: app
        spec:
          targetRefs:
          - kind: Service
            group: ""
            name: web
          action: DENY
          rules:
          - to:
            - operation:
                paths: ["/denied-{mark}"]
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata:
          name: allow
          namespace: app
        spec:
          targetRefs:
          - kind: Service
            group: ""
            name: web
          action: ALLOW
          rules:
          - from:
            - source:
                principals: ["cluster.local/ns/app/sa/sleep"]

        """;

    private const string Tokens = """
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata:
          name: tokens
          namespace: app
        spec:
          targetRefs:
          - kind: Service
            group: ""
            name: web
          jwtRules:
          - issuer: somebody
            jwks: '{"keys":[{"kty":"RSA","kid":"a","n":"pD5MEIbLQs2j-DKvFu6AkwJyYR_q-UuGfl6t4Mn38I8ry25PoYvvK8VmRlFt0R6YJ69p5xmv0OdCh4n1wn8OkyqxTsIFPNtGzwjalEny_vIQfqDjJGmlIFuvucTtAo5id2TawrBeQDYtlcPHFPrRN89iJ8Xr1chvp2xjusok0sYriNoTJ5MNDd8kCFSMF4cZ0GG4zJ3qmTLmQKJsWH58ayrC4ZKibVDwXsv8QwzuzqFg94adWtx-IDjGGIzvyIim8NFJeCxYG7fkLLI6vE9NDMQqU313xO2D5rPmfZNEDelPF2bmilhqduoHqxMPLuZk-si7zRgY_vg17Xf3DFq_Sw","e":"AQAB"}]}'

        """;
}
