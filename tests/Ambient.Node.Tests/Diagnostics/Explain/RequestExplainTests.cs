using System.Text;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Admin.Server;
using Ambient.Node.Tests.Discovery;
using Ambient.Policy.Routing.Names;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Diagnostics.Explain;

/// <summary>What a waypoint and a gateway say of a request that nobody sends.</summary>
public sealed class RequestExplainTests
{
    private const string Yaml = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: app, labels: {istio.io/dataplane-mode: ambient}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: sleep, namespace: app}
        spec: {serviceAccountName: sleep, containers: [{name: c, image: i}]}
        status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}], phase: Running, conditions: [{type: Ready, status: "True"}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: web-1, namespace: app, labels: {app: web}}
        spec: {serviceAccountName: web, containers: [{name: c, image: i}]}
        status: {podIP: 10.1.0.2, podIPs: [{ip: 10.1.0.2}], phase: Running, conditions: [{type: Ready, status: "True"}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: waypoint-0, namespace: app, labels: {gateway.networking.k8s.io/gateway-name: waypoint}}
        spec: {serviceAccountName: waypoint, containers: [{name: c, image: i}]}
        status: {podIP: 10.1.0.3, podIPs: [{ip: 10.1.0.3}], phase: Running, conditions: [{type: Ready, status: "True"}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: app, labels: {istio.io/use-waypoint: waypoint}}
        spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 81, targetPort: 8081}, {name: tls, port: 443, targetPort: 8443}]}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: app}
        spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP, hostname: "*.example"}, {name: db, port: 9000, protocol: TCP}, {name: pass, port: 443, protocol: TLS, hostname: "*.example", tls: {mode: Passthrough}}, {name: else, port: 443, protocol: TLS, hostname: db.other, tls: {mode: Passthrough}}]}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: TLSRoute
        metadata: {name: secure, namespace: app}
        spec: {parentRefs: [{name: gw, sectionName: pass}, {group: "", kind: Service, name: web, port: 443}], hostnames: [db.example], rules: [{backendRefs: [{name: web, port: 443, weight: 3}, {name: nobody, port: 443, weight: 1}]}]}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: app}
        spec:
          parentRefs: [{group: "", kind: Service, name: web}, {name: gw}]
          rules:
          - name: slow
            matches: [{path: {value: /slow}}]
            backendRefs: [{name: web, port: 80}]
            timeouts: {request: 500ms}
            retry: {codes: [503], attempts: 3}
            filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: "1"}], remove: [x-b]}}]
          - matches: [{path: {value: /old}}]
            filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example}}]
          - matches: [{path: {value: /gone}}]
            backendRefs: [{name: nobody, port: 80}]
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: no-secrets, namespace: app}
        spec: {targetRefs: [{group: "", kind: Service, name: web}], action: DENY, rules: [{to: [{operation: {paths: ["/secret*"]}}]}]}
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: sleepers, namespace: app}
        spec: {targetRefs: [{group: "", kind: Service, name: web}], rules: [{from: [{source: {principals: ["cluster.local/ns/app/sa/sleep"]}}]}]}
        ---
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata: {name: tokens, namespace: app}
        spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}], jwtRules: [{issuer: https://issuer.example, jwks: '{"keys":[]}'}]}
        """;

    private static string Ask(string query, int status = 200, string gateway = "app/waypoint")
    {
        var answer = EndpointOf(gateway).Answer(new AdminRequest("GET", "/explain", query, ""));
        var text = Encoding.UTF8.GetString(answer.Body.Span);
        Assert.True(answer.Status == status, text);
        return text;
    }

    private static RequestExplainEndpoint EndpointOf(string gateway)
    {
        var translated = ManifestText.Translate(Yaml);
        var store = new MeshStore();
        store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build());
        return new RequestExplainEndpoint(store, gateway, () => store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"], "", new NameRules("cluster.local", PodNames: true));
    }

    [Fact]
    public void Request_OnItsWay_NamesRuleLimitsEditsAndEndpoints()
    {
        var text = Ask("src=app/sleep&dst=app/web:80&path=/slow/x");

        Assert.Contains("DENY   app/no-secrets: does not match", text, StringComparison.Ordinal);
        Assert.Contains("ALLOW  app/sleepers: matches by rule 0", text, StringComparison.Ordinal);
        Assert.Contains("ALLOWED: allowed by: app/sleepers", text, StringComparison.Ordinal);
        Assert.Contains("=> app/web.app.svc.cluster.local port 80 (route app/web rule slow)", text, StringComparison.Ordinal);
        Assert.Contains("request   without x-b, x-a = 1", text, StringComparison.Ordinal);
        Assert.Contains("time      0.5 s in all", text, StringComparison.Ordinal);
        Assert.Contains("retries   3, on", text, StringComparison.Ordinal);
        Assert.Contains("+ app/web-1 (10.1.0.2 port 8080)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Request_Denied_NamesThePolicy_AndNoRoute()
    {
        var text = Ask("src=app/sleep&dst=app/web:80&path=/secret/1");

        Assert.Contains("DENY   app/no-secrets: matches by rule 0", text, StringComparison.Ordinal);
        Assert.Contains("=> DENIED with 403: explicitly denied by: app/no-secrets", text, StringComparison.Ordinal);
        Assert.DoesNotContain("route", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/old/x", "ANSWERED with 302, location http://new.example/old/x (route app/web rule 1)")]
    [InlineData("/gone", "ANSWERED with 500 (route app/web rule 2): backend Service app/nobody does not exist")]
    [InlineData("/else", "ANSWERED with 404: no route matches")]
    public void Request_AnsweredHere_SaysHow(string path, string expected) =>
        Assert.Contains(expected, Ask($"src=app/sleep&dst=web:80&path={path}"), StringComparison.Ordinal);

    [Fact]
    public void Request_AtAGateway_IsExplainedByListenerAndHost()
    {
        Assert.Contains("rule slow", Ask("port=80&host=a.example&path=/slow", gateway: "app/gw"), StringComparison.Ordinal);
        Assert.Contains("ANSWERED with 404", Ask("port=80&host=elsewhere&path=/slow", gateway: "app/gw"), StringComparison.Ordinal);
    }

    [Fact]
    public void Request_WhoseTokensAreLookedFor_NamesTheIssuersAndTheObject()
    {
        Assert.Contains("  TOKENS of issuer https://issuer.example, by RequestAuthentication app/tokens\n", Ask("port=80&host=a.example&path=/slow", gateway: "app/gw"), StringComparison.Ordinal);
        using var json = JsonDocument.Parse(Ask("port=80&host=a.example&path=/slow&format=json", gateway: "app/gw"));
        Assert.Equal("""[{"issuer":"https://issuer.example","requestAuthentication":"app/tokens"}]""", JsonSerializer.Serialize(json.RootElement.GetProperty("tokens")));
        Assert.DoesNotContain("TOKENS", Ask("src=app/sleep&dst=app/web:80&path=/slow"), StringComparison.Ordinal);
    }

    [Fact]
    public void Request_ForATool_IsJson()
    {
        using var json = JsonDocument.Parse(Ask("src=app/sleep&dst=app/web:80&path=/slow&format=json&header=x-a:1&header=x-a:2"));

        Assert.True(json.RootElement.GetProperty("allowed").GetBoolean());
        var route = json.RootElement.GetProperty("routes")[0];
        Assert.Equal(("app/web rule slow", 500), (route.GetProperty("rule").GetString(), route.GetProperty("timeoutMilliseconds").GetInt32()));
        Assert.Equal("Kubernetes//Pod/app/web-1", route.GetProperty("endpoints")[0].GetProperty("workload").GetString());
    }

    [Fact]
    public void Connection_AtAWaypoint_NamesPortPoliciesRouteAndEndpoints()
    {
        var text = Ask("src=app/sleep&dst=app/web:81");
        Assert.Contains("connection to 10.96.0.1:81 (no server name), from spiffe://cluster.local/ns/app/sa/sleep, at app/waypoint", text, StringComparison.Ordinal);
        Assert.Contains("+ app/web.app.svc.cluster.local port 81 (Tcp)", text, StringComparison.Ordinal);

        // A path is nothing that a connection has: what is left of the DENY is wider.
        Assert.Contains("DENY   app/no-secrets: matches by rule 0", text, StringComparison.Ordinal);
        Assert.Contains("=> DENIED, and closed: explicitly denied by: app/no-secrets", text, StringComparison.Ordinal);
        Assert.DoesNotContain("port 8081", text, StringComparison.Ordinal);

        // A server name asks about a connection at any port.
        Assert.Contains("server name db.example", Ask("src=app/sleep&dst=app/web:443&sni=DB.example"), StringComparison.Ordinal);
    }

    [Fact]
    public void Connection_AtAGateway_IsExplainedByListenerServerNameAndRoute()
    {
        var text = Ask("port=443&sni=db.example", gateway: "app/gw");
        Assert.Contains("+ pass (TLS, passed through, *.example)", text, StringComparison.Ordinal);
        Assert.Contains("- else (TLS, passed through, db.other): it is for the server name db.other", text, StringComparison.Ordinal);
        Assert.Matches("=> 7[0-9] % of connections: app/web\\.app\\.svc\\.cluster\\.local port 443 \\(TLSRoute app/secure\\)", text);
        Assert.Contains("+ app/web-1 (10.1.0.2 port 8443)", text, StringComparison.Ordinal);
        Assert.Matches("=> 2[0-9] % of connections: CLOSED \\(TLSRoute app/secure\\): backend Service app/nobody does not exist", text);

        Assert.Contains("CLOSED: no route for the server name a.example at port 443", Ask("port=443&sni=a.example", gateway: "app/gw"), StringComparison.Ordinal);
        Assert.Contains("and the connection names none", Ask("port=443", gateway: "app/gw"), StringComparison.Ordinal);
        Assert.Contains("CLOSED: no route for port 9000", Ask("port=9000", gateway: "app/gw"), StringComparison.Ordinal);
        Assert.Contains("- http (HTTP, *.example): it carries requests: ask with host and path", Ask("port=80&sni=a.example", gateway: "app/gw"), StringComparison.Ordinal);
    }

    [Fact]
    public void Connection_ForATool_IsJson()
    {
        using var json = JsonDocument.Parse(Ask("port=443&sni=db.example&format=json", gateway: "app/gw"));
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("listeners")[0].GetProperty("excluded").ValueKind);
        Assert.Equal(("TLSRoute app/secure", 443), (json.RootElement.GetProperty("routes")[0].GetProperty("route").GetString(), json.RootElement.GetProperty("routes")[0].GetProperty("port").GetInt32()));
        Assert.Contains("does not exist", json.RootElement.GetProperty("routes")[1].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("src=app/nobody&dst=app/web:80", 404, "has no workload")]
    [InlineData("src=app/sleep&dst=10.1.0.2:80", 404, "no service's address")]
    [InlineData("src=app/sleep&dst=app/web:80&path=nowhere", 400, "no target")]
    [InlineData("src=app/sleep&dst=app/web:80&header=x", 400, "expected name:value")]
    [InlineData("port=x&host=a", 400, "is no port")]
    [InlineData("port=80", 400, "host is missing")]
    [InlineData("port=443&sni=a%20b", 400, "is no server name")]
    public void Question_ThatIsNone_IsRefusedWithWhatIsWrong(string query, int status, string expected)
    {
        var text = Ask(query, status);

        Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.Contains("usage: GET /explain", text, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Question_Damaged_IsAnsweredOrRefused()
    {
        var endpoint = EndpointOf("app/waypoint");
        FuzzBudget.Run(1000, random =>
        {
            var query = Damage.Of("src=app/sleep&dst=app/web:80&path=/slow%2Fx?q=1&method=GET&host=a:1&header=a:b&format=json", random, "%00", "&", "=", "\n", "%0d%0a", "..", "//", "*", ":", "port=");
            Assert.Contains(endpoint.Answer(new AdminRequest("GET", "/explain", query, "")).Status, (int[])[200, 400, 404]);
        });
    }
}
