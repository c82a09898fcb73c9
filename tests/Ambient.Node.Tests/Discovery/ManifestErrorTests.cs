namespace Ambient.Node.Tests.Discovery;

public sealed class ManifestErrorTests
{
    private const string PolicyHead =
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: viewer}
        """;

    [Theory]
    [InlineData("spec: {selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: s}]}", "spec.selector", "not allowed together")]
    [InlineData("spec: {targetRefs: []}", "spec.targetRefs", "empty")]
    [InlineData("spec: {targetRefs: [{kind: Pod, name: s}]}", "spec.targetRefs[0].kind", "cannot carry a policy")]
    [InlineData("spec: {targetRefs: [{kind: Service, name: s, namespace: other}]}", "spec.targetRefs[0].namespace", "do not cross namespaces")]
    [InlineData("spec: {action: FORBID}", "spec.action", "expected one of ALLOW")]
    [InlineData("spec: {action: CUSTOM, rules: [{}]}", "spec.provider", "provider.name")]
    [InlineData("spec: {provider: {name: x}}", "spec.provider", "only allowed")]
    [InlineData("spec: {rulez: []}", "spec.rulez", "unknown field")]
    [InlineData("spec: {rules: [{from: []}]}", "spec.rules[0].from", "empty")]
    [InlineData("spec: {rules: [{from: [{source: {}}]}]}", "spec.rules[0].from[0].source", "empty")]
    [InlineData("spec: {rules: [{from: [{source: {principals: []}}]}]}", "spec.rules[0].from[0].source", "empty")]
    [InlineData("spec: {rules: [{from: [{source: {princpals: [x]}}]}]}", "spec.rules[0].from[0].source.princpals", "unknown field")]
    [InlineData("spec: {rules: [{from: [{source: {principals: ['']}}]}]}", "spec.rules[0].from[0].source.principals[0]", "empty")]
    [InlineData("spec: {rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}", "spec.rules[0].from[0].source.ipBlocks[0]", "not an IP address or range")]
    [InlineData("spec: {rules: [{from: [{source: {notIpBlocks: ['10']}}]}]}", "spec.rules[0].from[0].source.notIpBlocks[0]", "not an IP address or range")]
    [InlineData("spec: {rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}", "spec.rules[0].from[0].source", "cannot be combined")]
    [InlineData("spec: {rules: [{from: [{source: {serviceAccounts: ['a*']}}]}]}", "spec.rules[0].from[0].source.serviceAccounts[0]", "wildcards")]
    [InlineData("spec: {rules: [{to: [{operation: {}}]}]}", "spec.rules[0].to[0].operation", "empty")]
    [InlineData("spec: {rules: [{to: [{operation: {ports: ['99999']}}]}]}", "spec.rules[0].to[0].operation.ports[0]", "not a port")]
    [InlineData("spec: {rules: [{to: [{operation: {ports: [80]}}]}]}", "spec.rules[0].to[0].operation.ports[0]", "write \"80\" in quotes")]
    [InlineData("spec: {rules: [{to: [{operation: {paths: ['/a/{x}']}}]}]}", "spec.rules[0].to[0].operation.paths[0]", "braces")]
    [InlineData("spec: {rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}", "spec.rules[0].to[0].operation.paths[0]", "last operator")]
    [InlineData("spec: {rules: [{when: [{key: source.colour, values: [red]}]}]}", "spec.rules[0].when[0].key", "not a known attribute")]
    [InlineData("spec: {rules: [{when: [{key: source.ip}]}]}", "spec.rules[0].when[0].values", "expected values or notValues")]
    [InlineData("spec: {rules: [{when: [{key: source.ip, values: [x]}]}]}", "spec.rules[0].when[0].values[0]", "not an IP address")]
    public void AuthorizationPolicy_Invalid_IsReportedWithField(string spec, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"{PolicyHead}\n{spec}"));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal("a.yaml", error.File);
        Assert.Equal(4, error.Line);
        Assert.Equal("AuthorizationPolicy default/viewer", error.Subject);
    }

    [Theory]
    [InlineData("spec: {portLevelMtls: {'80': {mode: STRICT}}}", "spec.portLevelMtls", "not allowed without a selector")]
    [InlineData("spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {'0': {mode: STRICT}}}", "spec.portLevelMtls.0", "not a port")]
    [InlineData("spec: {mtls: {mode: STRONG}}", "spec.mtls.mode", "expected one of")]
    [InlineData("spec: {mtls: {mod: STRICT}}", "spec.mtls.mod", "unknown field")]
    public void PeerAuthentication_Invalid_IsReportedWithField(string spec, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors(
            $"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: a}}\n{spec}"));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kind: Pod\nmetadata: {name: a}", "apiVersion", "missing")]
    [InlineData("apiVersion: v1\nmetadata: {name: a}", "kind", "missing")]
    [InlineData("apiVersion: v1\nkind: Pod", "metadata", "missing")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: A/b}", "metadata.name", "not a Kubernetes name")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a/b}", "metadata.namespace", "not the name of a namespace")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {v: 1.0}}", "metadata.labels.v", "write \"1.0\" in quotes")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [x]}", "metadata.labels", "expected an object, found a list")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: maybe}", "spec.hostNetwork", "expected true or false")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{ports: [{containerPort: 70000}]}]}", "spec.containers[0].ports[0].containerPort", "from 1 to 65535")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: 10.0.0.256}", "status.podIP", "not an IP address")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {ambient.dev/address: here}}", "metadata.annotations.ambient.dev/address", "not an IP address")]
    [InlineData("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: x}", "spec.clusterIP", "not an IP address")]
    [InlineData("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http}]}", "spec.ports[0].port", "missing")]
    [InlineData("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: -1, template: {}}", "spec.replicas", "from 0")]
    [InlineData("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}", "spec.template", "missing")]
    [InlineData("apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {gatewayClassName: istio}", "spec.listeners", "missing")]
    [InlineData("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {rules: [{backendRefs: [{name: b, weight: much}]}]}", "spec.rules[0].backendRefs[0].weight", "whole number")]
    [InlineData("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {rules: [{matches: [{path: {type: Glob}}]}]}", "spec.rules[0].matches[0].path.type", "expected one of")]
    public void Object_Invalid_IsReportedWithField(string yaml, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors(yaml));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.True(error.Line > 0);
    }

    [Fact]
    public void Errors_InSeveralDocuments_AreAllReportedWithTheirLines()
    {
        var errors = ManifestText.Errors(
            """
            apiVersion: v1
            kind: Service
            metadata:
              name: a
            spec:
              ports:
              - port: none
              - port: 80
                protocol: CARRIER-PIGEON
            ---
            apiVersion: v1
            kind: Pod
            metadata:
              name: UPPER
            ---
            just a text
            """);
        Assert.Equal([(7, "spec.ports[0].port"), (7, "spec.ports[0].name"), (9, "spec.ports[1].protocol"), (14, "metadata.name"), (16, "")], errors.Select(e => (e.Line, e.Field)));
    }

    [Fact]
    public void Error_AsText_IsAPlaceAndAPath()
    {
        var error = Assert.Single(ManifestText.Errors("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\nspec: {type: Odd}"));
        Assert.Equal(
            "a.yaml:4:14: Service b/a: spec.type: \"Odd\" is not known; expected one of ClusterIP, NodePort, LoadBalancer, ExternalName",
            error.ToString());
    }

    [Fact]
    public void Object_DefinedTwiceDifferently_IsReportedWithBothPlaces()
    {
        var error = Assert.Single(ManifestText.Errors("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: c}}\n"));
        Assert.Equal(7, error.Line);
        Assert.Contains("a.yaml:1:1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Address_GivenTwice_IsReportedWithBothPods()
    {
        var error = Assert.Single(ManifestText.Errors(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {ambient.dev/address: 127.1.1.1}}\n---\n" +
            "apiVersion: v1\nkind: Pod\nmetadata: {name: b, annotations: {ambient.dev/address: 127.1.1.1}}\n"));
        Assert.Equal((7, "Pod default/b"), (error.Line, error.Subject));
        Assert.Contains("Pod default/a", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: [b}", 1)]
    [InlineData("apiVersion: v1\nkind: Pod\n  metadata: x", 3)]
    [InlineData("a: b\na: c", 2)]
    [InlineData("a: *nowhere", 1)]
    [InlineData("a: &x {<<: *x}", 1)]
    public void Syntax_Broken_IsReportedWithLine(string yaml, int line)
    {
        var error = Assert.Single(ManifestText.Errors(yaml));
        Assert.Equal(line, error.Line);
    }

    [Fact]
    public void Kinds_Unknown_AreCountedAndSkipped()
    {
        var load = Ambient.Node.Discovery.Folder.ManifestLoader.LoadText("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["ConfigMap", "Service"], load.Skipped.Keys);
        Assert.Empty(load.Objects.Services.Keys);
    }

    [Fact]
    public void List_OfObjects_IsReadAsItsItems()
    {
        var load = Ambient.Node.Discovery.Folder.ManifestLoader.LoadText(
            "a.yaml", """{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]}""");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["default/a"], load.Objects.Pods.Keys);
    }
}
