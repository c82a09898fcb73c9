using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Manifests that once let in what their words keep out, from the text to the decision.</summary>
public sealed class DoorTests
{
    private const string Mesh =
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: app, labels: {istio.io/dataplane-mode: ambient}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: echo, namespace: app}
        spec: {selector: {app: echo}, ports: [{name: http, port: 80}, {name: other, port: 81}]}
        ---

        """;

    [Fact]
    public void HttpsListener_OnAPortOfAnHttpOne_AnswersNothing_AndTheConflictIsSaid()
    {
        var mesh = Load(
            """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec:
              gatewayClassName: istio
              listeners:
              - {name: plain, port: 80, protocol: HTTP}
              - {name: secure, port: 80, protocol: HTTPS, hostname: secure.example, tls: {mode: Terminate}}
            ---
            """, Route("secure.example", "{name: gw, sectionName: secure}"), Route("open.example", "{name: gw}"), Route("*.example", "{name: gw, sectionName: plain}"));
        Assert.Equal(404, Ask(mesh, "secure.example").StatusCode);
        Assert.Equal(RequestRouteKind.Forward, Ask(mesh, "open.example").Kind);
        var gateway = mesh.Requests.Gateways["app/gw"];
        var status = Assert.Single(ListenerStatus.Of(mesh.Requests, gateway), status => !status.IsServed);
        Assert.Contains("conflicts on port 80 with HTTP of plain", status.Problem, StringComparison.Ordinal);
        Assert.Contains(RouteAttachment.Refused(mesh, gateway), refused =>
            refused.Route == "app/secure-example" && refused.Problem.Contains("not served", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("kinds: [{kind: GRPCRoute}]", "takes only GRPCRoute")]
    [InlineData("kinds: [{group: example.org, kind: HTTPRoute}]", "takes only HTTPRoute")]
    [InlineData("namespaces: {from: Selector, selector: {matchLabels: {team: other}}}", "takes no routes of namespace app")]
    [InlineData("namespaces: {from: Selector, selector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}", "takes no routes of namespace app")]
    public void Route_ThatTheListenerDoesNotAllow_DoesNotAttach_AndItIsSaidWhy(string allowed, string why)
    {
        var mesh = Load(Gateway($"allowedRoutes: {{{allowed}}}"), Route("web.example", "{name: gw}"));
        Assert.Equal(404, Ask(mesh, "web.example").StatusCode);
        var refused = Assert.Single(RouteAttachment.Refused(mesh, mesh.Requests.Gateways["app/gw"]));
        Assert.Equal("app/web-example", refused.Route);
        Assert.Contains(why, refused.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kinds: [{kind: GRPCRoute}, {kind: HTTPRoute}]")]
    [InlineData("namespaces: {from: Selector, selector: {}}")]
    [InlineData("namespaces: {from: Selector, selector: {matchLabels: {}}}")]
    public void Route_ThatTheListenerAllows_Attaches(string allowed)
    {
        var mesh = Load(Gateway($"allowedRoutes: {{{allowed}}}"), Route("web.example", "{name: gw}"));
        Assert.Equal(RequestRouteKind.Forward, Ask(mesh, "web.example").Kind);
        Assert.Empty(RouteAttachment.Refused(mesh, mesh.Requests.Gateways["app/gw"]));
    }

    [Theory]
    [InlineData("{name: gw, sectionName: htpt}", "no listener is named htpt")]
    [InlineData("{name: gw, port: 81}", "no listener has port 81")]
    public void Route_ForAListenerThatIsNotThere_IsSaid(string parent, string why)
    {
        var mesh = Load(Gateway("hostname: web.example"), Route("web.example", parent));
        Assert.Equal(404, Ask(mesh, "web.example").StatusCode);
        Assert.Equal(why, Assert.Single(RouteAttachment.Refused(mesh, mesh.Requests.Gateways["app/gw"])).Problem);
    }

    [Theory]
    [InlineData("{targetRefs: [{group: '', kind: Service, name: echo}], validation: {hostname: echo.example}}", true)]
    [InlineData("{targetRefs: [{group: '', kind: Service, name: echo, sectionName: http}], validation: {hostname: a.example}}", true)]
    [InlineData("{targetRefs: [{group: '', kind: Service, name: echo, sectionName: other}], validation: {hostname: a.example}}", false)]
    [InlineData("{targetRefs: [{group: '', kind: Service, name: echo, sectionName: htpt}], validation: {hostname: a.example}}", true)]
    public void Backend_ThatAsksForTls_GetsNothingInClear(string spec, bool kept)
    {
        var policy = $"apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: p, namespace: app}}\nspec: {spec}\n---\n";
        var mesh = Load(policy, Gateway("hostname: web.example"), Route("web.example", "{name: gw}"));
        var answer = Ask(mesh, "web.example");
        var byWaypoint = RequestRoutes.ForService(mesh, mesh.Services["app/echo.app.svc.cluster.local"]).Route(Facts("echo"), Random.Shared);
        if (kept)
        {
            Assert.Equal((RequestRouteKind.Respond, 503), (answer.Kind, answer.StatusCode));
            Assert.StartsWith("BackendTLSPolicy app/p", answer.Error, StringComparison.Ordinal);
            Assert.Contains(" asks for TLS to echo.app.svc.cluster.local", answer.Error, StringComparison.Ordinal);
            Assert.Equal((RequestRouteKind.Respond, 503), (byWaypoint.Kind, byWaypoint.StatusCode));
        }
        else
        {
            Assert.Equal(RequestRouteKind.Forward, answer.Kind);
            Assert.Equal(RequestRouteKind.Default, byWaypoint.Kind);
        }
    }

    private static string Gateway(string listener) =>
        $"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: app}}\n"
        + $"spec: {{gatewayClassName: istio, listeners: [{{name: http, port: 80, protocol: HTTP, {listener}}}]}}\n---\n";

    private static string Route(string host, string parent) =>
        $"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {host.Replace("*", "any", StringComparison.Ordinal).Replace('.', '-')}, namespace: app}}\n"
        + $"spec: {{parentRefs: [{parent}], hostnames: ['{host}'], rules: [{{backendRefs: [{{name: echo, port: 80}}]}}]}}\n---\n";

    private static MeshSnapshot Load(params ReadOnlySpan<string> manifests)
    {
        var mesh = ManifestText.Translate(Mesh + string.Concat(manifests.ToArray().Select(text => text.EndsWith('\n') ? text : text + "\n")));
        return new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies).Set(mesh.Requests).Build();
    }

    private static RequestRoute Ask(MeshSnapshot mesh, string host) =>
        RequestRoutes.ForGateway(mesh, mesh.Requests.Gateways["app/gw"]).Route(Facts(host), Random.Shared);

    private static RouteFacts Facts(string host) => new(80, host, "GET", "/", "", static _ => null);
}
