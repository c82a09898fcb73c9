using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Discovery;

/// <summary>What is read of a RequestAuthentication while tokens are not verified: where it looks for them, and whom it selects.</summary>
public sealed class RequestAuthenticationTests
{
    private const string Pods = """
        apiVersion: v1
        kind: Pod
        metadata: {name: web-0, namespace: app, labels: {app: web}}
        spec: {containers: [{name: c, image: i}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: other-0, namespace: app, labels: {app: other}}
        spec: {containers: [{name: c, image: i}]}
        ---

        """;

    [Fact]
    public void Rules_SayWhereTokensAre_AndTheKindIsNamed()
    {
        var load = ManifestLoader.LoadText("a.yaml", """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: app}
            spec:
              targetRefs: [{group: "", kind: Service, name: web}]
              jwtRules:
              - {issuer: a, jwksUri: "https://a"}
              - {issuer: b, fromHeaders: [{name: x-token, prefix: "T "}], fromParams: [jwt], fromCookies: [session]}

            """);
        Assert.Empty(load.Errors.Items);
        Assert.Equal("RequestAuthentication", Assert.Single(load.Unsupported).Kind);
        var read = Assert.Single(MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests.RequestAuthentications).Value;
        Assert.Equal(
            [
                new TokenLocation(TokenPart.Header, "authorization", "Bearer "), new TokenLocation(TokenPart.Parameter, "access_token"),
                new TokenLocation(TokenPart.Header, "x-token", "T "), new TokenLocation(TokenPart.Parameter, "jwt"), new TokenLocation(TokenPart.Cookie, "session"),
            ],
            read.Locations.AsEnumerable());
        Assert.Equal(new ObjectReference("", "Service", "app", "web"), Assert.Single(read.Targets));
    }

    [Fact]
    public void WithoutRules_ItAsksNothing() =>
        Assert.Empty(Assert.Single(ManifestText.Translate("apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: app}\nspec: {}\n").Requests.RequestAuthentications).Value.Locations);

    [Fact]
    public void Selectors_OfWhatOnlyRequestsAreEvaluatedOn_AreResolvedForPods()
    {
        var selections = ManifestText.Translate(Pods + """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: istio-system}
            spec: {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: a}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: custom, namespace: app}
            spec: {selector: {matchLabels: {app: web}}, action: CUSTOM, provider: {name: p}, rules: [{}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: elsewhere, namespace: far}
            spec: {selector: {matchLabels: {app: web}}, action: AUDIT, rules: [{}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: trial, namespace: app, annotations: {istio.io/dry-run: "true"}}
            spec: {selector: {matchLabels: {app: other}}, action: DENY, rules: [{}]}

            """).Requests.Selections;
        Assert.Equal(2, selections.Count);
        Assert.Equal(new RequestSelection(["app/custom"], ["istio-system/jwt"]), selections["Kubernetes//Pod/app/web-0"]);
        Assert.Equal(new RequestSelection(["app/trial"], []), selections["Kubernetes//Pod/app/other-0"]);
    }

    [Fact]
    public void WithoutAnySelector_ThereIsNothingToKnow() => Assert.Empty(ManifestText.Translate(Pods + "apiVersion: v1\nkind: Namespace\nmetadata: {name: app}\n").Requests.Selections);

    [Fact]
    public void ListenerSet_IsNamedAsNotSupported_AndItsRouteAttachesToNothing()
    {
        var load = ManifestLoader.LoadText("listener-set.yaml", """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec: {gatewayClassName: istio, listeners: [{name: http, port: 8080, protocol: HTTP}]}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: ListenerSet
            metadata: { name: more, namespace: app }
            spec:
              parentRef: { name: gw }
              listeners: [ { name: extra, port: 8090, protocol: HTTP } ]
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: { name: extra, namespace: app }
            spec:
              parentRefs: [ { kind: ListenerSet, group: gateway.networking.k8s.io, name: more } ]
              rules: [ { backendRefs: [ { name: echo, port: 80 } ] } ]

            """);
        Assert.Empty(load.Errors.Items);
        var use = Assert.Single(load.Unsupported);
        Assert.Equal(("ListenerSet", "app/more", "listener-set.yaml:6:1"), (use.Kind, use.FirstObject, use.FirstPlace));
        Assert.DoesNotContain("ListenerSet", load.Skipped.Keys);

        var mesh = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        var snapshot = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies).Set(mesh.Requests).Build();
        var routes = Ambient.Policy.Routing.Requests.RequestRoutes.ForGateway(snapshot, snapshot.Requests.Gateways["app/gw"]);
        Assert.Empty(routes.Compiled);
    }
}
