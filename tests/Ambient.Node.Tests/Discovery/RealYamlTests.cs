using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Folder;

namespace Ambient.Node.Tests.Discovery;

/// <summary>YAML and JSON as people and tools write them, rather than as a manual shows them.</summary>
public sealed class RealYamlTests
{
    private const string Shop = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {selector: {app: shop}, ports: [{name: http, port: 80}]}\n";

    [Theory]
    [InlineData("app.conf: |\n    \n    color: blue\n    size: 3\n")]
    [InlineData("a: >-\n\n   \n    color: blue\n  b: c\n")]
    [InlineData("a: |\n      \n  b: c\n")]
    [InlineData("a: |+\n  \n")]
    [InlineData("a: !!str |\n    \n    x\n")]
    [InlineData("a: &x |2-\n      \n      x\n  b: *x\n")]
    [InlineData("a:\n  - |\n    \n    x\n  - >\n    \n    y\n")]
    [InlineData("a: |\n    x\n\t\n    y\n")]
    [InlineData("a: b\n\t\n  c: d\n")]
    [InlineData("a: {\n  b: c\n  }\n")]
    [InlineData("a: [\n  b, -, \"c\"]# comment\n")]
    [InlineData("a: \"b\nc\"\n")]
    [InlineData("a: 'b\n\n c'\n")]
    [InlineData("a: b\n  a: c\n")]
    [InlineData("<<: text\n")]
    [InlineData("? [x]\n  : y\n")]
    [InlineData("? {x: y}\n  : z\n")]
    [InlineData("a: !!binary aGVsbG8=\n  b: !Ref c\n  c: !!timestamp 2001-01-01\n")]
    public void Data_OfAKindThatNothingUses_DoesNotMatter(string data)
    {
        var load = ManifestLoader.LoadText("a.yaml", $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: conf}}\ndata:\n  {data}---\n{Shop}");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["default/shop"], load.Objects.Services.Keys);
    }

    [Theory]
    [InlineData("{<<: *labels, tier: web}", "app=shop tier=web")]
    [InlineData("{tier: web, <<: *labels}", "app=shop tier=web")]
    [InlineData("{<<: [*labels, {tier: last, zone: a}]}", "app=shop tier=front zone=a")]
    [InlineData("{<<: [{tier: first}, *labels]}", "app=shop tier=first")]
    [InlineData("{<<: {<<: *labels, tier: inner}, zone: b}", "app=shop tier=inner zone=b")]
    [InlineData("{\"<<\": text}", "<<=text")]
    [InlineData("{<<: {}}", "")]
    [InlineData("{<<: []}", "")]
    public void MergeKeys_AreWrittenOutAsKubernetesDoes(string selector, string expected)
    {
        var load = ManifestLoader.LoadText(
            "a.yaml", $"apiVersion: v1\nkind: Service\nmetadata: {{name: shop, labels: &labels {{app: shop, tier: front}}}}\nspec: {{selector: {selector}}}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(expected, string.Join(' ', load.Objects.Services["default/shop"].Selector.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}")));
    }

    [Theory]
    [InlineData("spec: {selector: {<<: text}}", 4, "<< merges an object")]
    [InlineData("spec: {selector: {<<: [{a: b}, c]}}", 4, "<< merges an object")]
    [InlineData("spec:\n  selector: {a: b}\n  selector: {c: d}", 6, "appears twice")]
    [InlineData("spec: {selector: {[a]: b}}", 4, "a key must be text")]
    public void Mapping_Uncertain_IsAnErrorWhereItIsUsed(string spec, int line, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\n{spec}\n"));
        Assert.Equal((line, "Service"), (error.Line, error.Subject));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("namePrefix: test-\nresources:\n- shop.yaml\n")]
    [InlineData("replicas: 2\nimage: {name: shop}\n")]
    [InlineData("- hosts: all\n  tasks: []\n")]
    [InlineData("just a text\n")]
    [InlineData("--- {a: b}\n--- {c: d}\n")]
    public void File_WithoutAnyObject_IsNamedAndSkipped(string text)
    {
        var load = ManifestLoader.LoadText("values.yaml", text);
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["values.yaml"], load.NoManifests);
    }

    [Fact]
    public void Document_WithoutAnObjectBesideObjects_IsAnError()
    {
        // A separator in the middle of an object must not take half of it away in silence.
        var error = Assert.Single(ManifestText.Errors("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n---\nspec: {action: DENY, rules: [{}]}\n"));
        Assert.Equal(5, error.Line);
        Assert.Contains("neither apiVersion nor kind", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Chart.yaml", true)]
    [InlineData("chart.yaml", false)]
    public void ChartFile_WithAnApiVersionOfItsOwn_IsNoManifest(string name, bool skipped)
    {
        var load = ManifestLoader.LoadText(name, "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
        Assert.Equal((skipped ? 1 : 0, skipped ? 0 : 1), (load.NoManifests.Count, load.Errors.Count));
    }

    [Theory]
    [InlineData("kustomization.yaml", "kind: Kustomization\nresources: [shop.yaml]\n")]
    [InlineData("kustomization.yml", "apiVersion: kustomize.config.k8s.io/v1beta1\nresources: [shop.yaml]\n")]
    [InlineData("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [shop.yaml]\n")]
    [InlineData("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n")]
    public void Kustomization_WithOrWithoutItsTwoFields_IsNoManifest(string name, string text)
    {
        var load = ManifestLoader.LoadText(name, text);
        Assert.Empty(load.Errors.Items);
        Assert.Equal([name], load.NoManifests);
    }

    [Theory]
    [InlineData("shop.yaml", "- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n")]
    [InlineData("shop.json", "[{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}]")]
    public void List_OfObjectsWithoutAKindOfItsOwn_IsAnError(string name, string text) =>
        Assert.Contains("kind: List", Assert.Single(ManifestLoader.LoadText(name, text).Errors.Items).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("0x50", 80)]
    [InlineData("0120", 80)]
    [InlineData("0o120", 80)]
    [InlineData("0b1010000", 80)]
    [InlineData("1_000", 1000)]
    [InlineData("+80", 80)]
    public void Number_OfAnyForm_IsWhatKubernetesReads(string written, int port)
    {
        var load = ManifestLoader.LoadText("a.yaml", $"apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {{ports: [{{port: {written}}}]}}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(port, Assert.Single(load.Objects.Services["default/shop"].Ports).Port);
    }

    [Theory]
    [InlineData("0x")]
    [InlineData("089")]
    [InlineData("0xFFFFFFFFFFFFFFFFF")]
    [InlineData("80a")]
    public void Number_ThatIsNone_IsAnError(string written) => Assert.Contains(
        "whole number", Assert.Single(ManifestText.Errors($"apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {{ports: [{{port: {written}}}]}}\n")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData(" {}")]
    [InlineData(" {phase: Pending, qosClass: BestEffort}")]
    [InlineData(" {podIPs: [], conditions: null, hostIP: ''}")]
    public void PodStatus_ThatNobodyHasSeenThePodIn_SaysNothing(string status)
    {
        var mesh = ManifestText.Translate($"apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: web}}]}}\nstatus:{status}\n");
        Assert.NotEmpty(Assert.Single(mesh.Workloads).Addresses);
        Assert.Empty(mesh.Notices);
    }

    [Theory]
    [InlineData("{parentRefs: [{name: gw, kind: '', namespace: '', sectionName: ''}], rules: [{backendRefs: [{name: a, kind: '', port: 80}]}]}")]
    public void Reference_WithEmptyTexts_IsOneWithoutThem(string spec)
    {
        var route = ManifestLoader.LoadText("a.yaml", $"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: a}}\nspec: {spec}\n");
        Assert.Empty(route.Errors.Items);
        var parent = Assert.Single(Assert.Single(route.Objects.HttpRoutes.Values).Route.ParentRefs);
        Assert.Equal(("Gateway", "default", null), (parent.Kind, parent.Namespace, parent.SectionName));
    }

    [Fact]
    public void Deployment_OfAGroupThatClustersHadOnce_IsOneOfApps() => Assert.Equal(
        ["web-0"],
        ManifestText.Translate("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c}]}}}\n").Workloads.Select(workload => workload.Name));

    [Fact]
    public void EmptyValues_SayNothing()
    {
        var load = ManifestLoader.LoadText(
            "a.yaml",
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: web, namespace: "", labels: null, annotations: , creationTimestamp: "", uid: ""}
            spec: {nodeName: "", serviceAccountName: "", hostNetwork: null, containers: [{name: web, ports: [{containerPort: 80, protocol: "", name: ""}]}]}
            status: {phase: "", conditions: [], podIP: "", loadBalancer: {}}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, creationTimestamp: null}
            spec: {type: "", clusterIP: "", clusterIPs: null, externalName: "", internalTrafficPolicy: "", selector: {app: web}, ports: [{port: 80, name: "", protocol: "", targetPort: "", appProtocol: ""}]}
            status: {loadBalancer: {}}
            """);
        Assert.Empty(load.Errors.Items);
        Assert.False(load.Objects.Pods["default/web"].HasStatus);
        Assert.Equal(80, Assert.Single(load.Objects.Services["default/web"].Ports).TargetPort);
    }

    [Theory]
    [InlineData("\"8080\"", "needs a letter")]
    [InlineData("'80'", "a number is written without quotes")]
    [InlineData("\"http_alt\"", "lower-case letters")]
    [InlineData("HTTP", "lower-case letters")]
    [InlineData("a-name-of-16-char", "1 to 15")]
    [InlineData("-http", "must not stand")]
    [InlineData("70000", "from 0 to 65535")]
    [InlineData("8.5", "expected a whole number or a string")]
    [InlineData("true", "expected a whole number or a string")]
    public void TargetPort_ThatKubernetesRefuses_IsAnError(string value, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{ports: [{{name: http, port: 80, targetPort: {value}}}]}}\n"));
        Assert.Equal("spec.ports[0].targetPort", error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(value.Trim('"', '\''), error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[{port: 80}, {port: 81}]", "missing")]
    [InlineData("[{port: 80, name: a}, {port: 81, name: a}]", "already")]
    [InlineData("[{port: 80, name: A}]", "lower-case")]
    [InlineData("[{port: 80, name: a}, {port: 80, name: b}]", "80/TCP is already another port")]
    public void PortNames_ThatKubernetesRefuses_AreErrors(string ports, string message) =>
        Assert.All(
            ManifestText.Errors($"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{ports: {ports}}}\n"),
            error => Assert.Contains(message, error.Message, StringComparison.Ordinal));

    [Fact]
    public void Object_TwiceTheSame_IsOneObjectAndAWarning()
    {
        var load = ManifestLoader.LoadText(
            "a.yaml",
            Shop + "---\nkind: Service\napiVersion: \"v1\"\nmetadata: {namespace: default, name: shop, resourceVersion: '7', managedFields: [{manager: x}]}\nspec:\n  ports:\n  - {port: 80, name: http, targetPort: null}\n  selector:\n    app: 'shop' # a comment\n");
        Assert.Empty(load.Errors.Items);
        var warning = Assert.Single(load.Repeated);
        Assert.Equal((6, "Service default/shop"), (warning.Line, warning.Subject));
        Assert.Contains("a.yaml:1:1", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Object_OfATypedList_IsTheSameAsTheOneWrittenAlone()
    {
        var load = ManifestLoader.LoadText(
            "a.yaml",
            Shop + "---\napiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: shop, namespace: default}\n  spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}\n  status: {loadBalancer: {}}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Single(load.Repeated);
    }

    [Theory]
    [InlineData("80", "81")]
    [InlineData("name: http", "name: 'http2'")]
    [InlineData("{app: shop}", "{app: shop, v: '1'}")]
    public void Object_TwiceAndDifferent_IsAnErrorWithBothPlaces(string from, string to)
    {
        var error = Assert.Single(ManifestText.Errors($"{Shop}---\n{Shop.Replace(from, to, StringComparison.Ordinal)}"));
        Assert.Equal((8, "metadata"), (error.Line, error.Field));
        Assert.Contains("a.yaml:1:1", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("List", "apiVersion: v1\n  kind: Service\n  ")]
    [InlineData("ServiceList", "")]
    public void Lists_OfEitherForm_AreTheirItems(string kind, string head)
    {
        var load = ManifestLoader.LoadText(
            "a.yaml", $"apiVersion: v1\nkind: {kind}\nmetadata: {{resourceVersion: \"\"}}\nitems:\n- {head}metadata: {{name: a}}\n  spec: {{}}\n- {head}metadata: {{name: b}}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["default/a", "default/b"], load.Objects.Services.Keys);
    }

    [Theory]
    [InlineData("kind: List\nitems: []")]
    [InlineData("kind: List\nitems: null")]
    [InlineData("kind: PodList\nitems: []")]
    public void Lists_Empty_AreNothing(string list)
    {
        var load = ManifestLoader.LoadText("a.yaml", $"apiVersion: v1\n{list}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Empty(load.Skipped);
    }

    [Fact]
    public void Json_IsTheSameAsYaml()
    {
        var load = ManifestLoader.LoadText(
            "shop.json",
            "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"shop\", \"annotations\": {\"" + new string('k', 2000) + "\": \"\\ud83d\\ude00 \\/\"}},\n" +
            "\t\"spec\": {\"selector\": {\"app\": \"shop\"}, \"ports\": [{\"port\": 80, \"targetPort\": \"http\"}]}\n}\n" +
            "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"shop\"}}");
        Assert.Empty(load.Errors.Items);
        Assert.Equal("\U0001F600 /", Assert.Single(load.Objects.Services["default/shop"].Meta.Annotations).Value);
        Assert.Equal("http", Assert.Single(load.Objects.Services["default/shop"].Ports).TargetPortName);
        Assert.Equal(["default/shop"], load.Objects.ServiceAccounts.Keys);
    }

    [Theory]
    [InlineData("{\n \"a\": 1,\n}", 3)]
    [InlineData("{\n \"a\": \"\\ud800\"}", 2)]
    [InlineData("{\n \"a\": ", 2)]
    [InlineData("{} x", 1)]
    public void Json_Broken_IsReportedWithLine(string json, int line) =>
        Assert.Equal(line, Assert.Single(ManifestLoader.LoadText("a.json", json).Errors.Items).Line);

    [Fact]
    public void Json_WithAKeyTwice_IsAnErrorWhereItIsUsed()
    {
        var load = ManifestLoader.LoadText("a.json", """{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": {"a": "b", "a": "c"}}}""");
        Assert.Contains("appears twice", Assert.Single(load.Errors.Items).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Problems_ReachedByManyAliases_AreReportedOnce()
    {
        var errors = ManifestText.Errors("apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: &l {x: y, x: z}, annotations: *l}\nspec: {selector: *l}\n");
        Assert.Single(errors);
    }

    [Theory]
    [InlineData("{a: b, c: [1, 'x']}", "{c: [0x1, x], a: 'b'}", false)]
    [InlineData("{a: b, c: [1, 'x']}", "{c: [1, x], a: 'b', d: ~}", true)]
    [InlineData("{a: '1'}", "{a: 1}", false)]
    [InlineData("{a: [b, c]}", "{a: [c, b]}", false)]
    [InlineData("{a: {b: c}}", "{a: {b: c, d: ''}}", false)]
    [InlineData("{a: [[b], c]}", "{a: [[b, c]]}", false)]
    public void Digest_TellsWhetherTwoObjectsSayTheSame(string first, string second, bool same) =>
        Assert.Equal(same, DocumentDigest.Of(Parse(first)) == DocumentDigest.Of(Parse(second)));

    private static YamlMapping Parse(string yaml)
    {
        var reader = new YamlReader(new StringReader(yaml), YamlLimits.Manifests);
        Assert.True(reader.NextDocument());
        return Assert.IsType<YamlMapping>(reader.ReadNode());
    }
}
