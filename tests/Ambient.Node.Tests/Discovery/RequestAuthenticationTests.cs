using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Discovery;

/// <summary>What is read of a RequestAuthentication: its rules, with all that may be wrong with them, and whom it selects.</summary>
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
    public void Rules_AreReadWhole_AndNothingIsNamedAsNotSupported()
    {
        var load = ManifestLoader.LoadText("a.yaml", """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: app}
            spec:
              targetRefs: [{group: "", kind: Service, name: web}]
              jwtRules:
              - {issuer: a, jwksUri: "https://a"}
              - issuer: b
                jwks: '{"keys":[]}'
                audiences: [one, two]
                fromHeaders: [{name: x-token, prefix: "T "}]
                fromParams: [jwt]
                fromCookies: [session]
                forwardOriginalToken: true
                outputPayloadToHeader: x-payload
                outputClaimToHeaders: [{header: x-sub, claim: sub}, {header: x-team, claim: nested.team}]
                timeout: 1m0.5s
                spaceDelimitedClaims: [groups]

            """);
        Assert.Empty(load.Errors.Items);
        Assert.Empty(load.Unsupported);
        var read = Assert.Single(MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests.RequestAuthentications).Value;
        Assert.Equal(
            [
                new JwtRule { Issuer = "a", JwksUri = "https://a" },
                new JwtRule
                {
                    Issuer = "b",
                    Jwks = """{"keys":[]}""",
                    Audiences = ["one", "two"],
                    Locations = [new(TokenPart.Header, "x-token", "T "), new(TokenPart.Parameter, "jwt"), new(TokenPart.Cookie, "session")],
                    ForwardOriginalToken = true,
                    OutputPayloadToHeader = "x-payload",
                    OutputClaimToHeaders = [new("x-sub", "sub"), new("x-team", "nested.team")],
                    Timeout = TimeSpan.FromSeconds(60.5),
                    SpaceDelimitedClaims = ["groups"],
                },
            ],
            read.Rules.AsEnumerable());
        Assert.Equal(JwtRule.UsualLocations.AsEnumerable(), read.Rules[0].Locations.AsEnumerable());
        Assert.Equal(new ObjectReference("", "Service", "app", "web"), Assert.Single(read.Targets));
    }

    [Fact]
    public void WithoutRules_ItAsksNothing() =>
        Assert.Empty(Assert.Single(ManifestText.Translate("apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: app}\nspec: {}\n").Requests.RequestAuthentications).Value.Rules);

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

    [Theory]
    [InlineData("{}", "spec.jwtRules[0].issuer", "missing")]
    [InlineData("{issuer: \"\"}", "spec.jwtRules[0].issuer", "missing")]
    [InlineData("{issuer: a, audiences: [\"\"]}", "spec.jwtRules[0].audiences[0]", "empty")]
    [InlineData("{issuer: a, jwksUri: \"ftp://a\"}", "spec.jwtRules[0].jwksUri", "expected https://host/path")]
    [InlineData("{issuer: a, jwksUri: \"keys\"}", "spec.jwtRules[0].jwksUri", "expected https://host/path")]
    [InlineData("{issuer: a, jwksUri: \"https://u:p@a/keys\"}", "spec.jwtRules[0].jwksUri", "expected https://host/path")]
    [InlineData("{issuer: a, fromHeaders: [{prefix: x}]}", "spec.jwtRules[0].fromHeaders[0].name", "missing")]
    [InlineData("{issuer: a, fromHeaders: [{name: \"a b\"}]}", "spec.jwtRules[0].fromHeaders[0].name", "not a name that a header may have")]
    [InlineData("{issuer: a, fromParams: [\"\"]}", "spec.jwtRules[0].fromParams[0]", "empty")]
    [InlineData("{issuer: a, fromCookies: [\"\"]}", "spec.jwtRules[0].fromCookies[0]", "empty")]
    [InlineData("{issuer: a, outputPayloadToHeader: \"x:y\"}", "spec.jwtRules[0].outputPayloadToHeader", "not a name that a header may have")]
    [InlineData("{issuer: a, outputPayloadToHeader: Host}", "spec.jwtRules[0].outputPayloadToHeader", "not a header that a claim may be written to")]
    [InlineData("{issuer: a, outputClaimToHeaders: [{header: x}]}", "spec.jwtRules[0].outputClaimToHeaders[0].claim", "missing")]
    [InlineData("{issuer: a, outputClaimToHeaders: [{header: transfer-encoding, claim: x}]}", "spec.jwtRules[0].outputClaimToHeaders[0].header", "not a header that a claim may be written to")]
    [InlineData("{issuer: a, timeout: 5}", "spec.jwtRules[0].timeout", "")]
    [InlineData("{issuer: a, timeout: 0s}", "spec.jwtRules[0].timeout", "not a time from 1ms to 1h")]
    [InlineData("{issuer: a, timeout: 1d}", "spec.jwtRules[0].timeout", "not a time from 1ms to 1h")]
    [InlineData("{issuer: a, forwardOriginalToken: 1}", "spec.jwtRules[0].forwardOriginalToken", "expected true or false")]
    [InlineData("{issuer: a, forwardOriginalTokn: true}", "spec.jwtRules[0].forwardOriginalTokn", "forwardOriginalToken")]
    public void WhatIsWrongWithARule_IsNamedWithItsPlace(string rule, string field, string problem)
    {
        var load = ManifestLoader.LoadText("a.yaml", "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: app}\nspec:\n  jwtRules:\n  - " + rule + "\n");
        var error = Assert.Single(load.Errors.Items);
        Assert.StartsWith("a.yaml:6:", error.ToString(), StringComparison.Ordinal);
        Assert.Contains(field, error.ToString(), StringComparison.Ordinal);
        Assert.Contains(problem, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutAnySelector_ThereIsNothingToKnow() => Assert.Empty(ManifestText.Translate(Pods + "apiVersion: v1\nkind: Namespace\nmetadata: {name: app}\n").Requests.Selections);
}
