using System.Net;
using System.Text;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Admin.Server;
using Ambient.Node.Capture.Dns;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Names;
using Ambient.Testing;
using Ambient.Testing.Fuzzing;
using Ambient.Testing.Golden;

namespace Ambient.Node.Tests.Diagnostics.Explain;

public sealed class ExplainTests
{
    private const string Yaml = """
        workloads:
        - {uid: c//Pod/app/sleep, name: sleep, namespace: app, serviceAccount: sleep, trustDomain: cluster.local, workloadIps: ["10.0.0.2"], protocol: HBONE, node: n1, network: "", services: {}}
        - {uid: c//Pod/app/web-1, name: web-1, namespace: app, serviceAccount: web, trustDomain: cluster.local, workloadIps: ["10.0.0.3"], protocol: HBONE, node: n1, network: "", authorizationPolicies: ["app/gone"], services: {"app/web.app.svc.cluster.local": {80: 8080}}}
        - {uid: c//Pod/app/web-2, name: web-2, namespace: app, serviceAccount: web, trustDomain: cluster.local, workloadIps: ["10.0.0.4"], protocol: HBONE, node: n1, network: "", capacity: 0, services: {"app/web.app.svc.cluster.local": {80: 8080}}}
        - {uid: c//Pod/app/plain, name: plain, namespace: app, serviceAccount: web, trustDomain: cluster.local, workloadIps: ["10.0.0.5"], protocol: TCP, node: n1, network: "", services: {}}
        services:
        - {name: web, namespace: app, hostname: web.app.svc.cluster.local, vips: ["/10.96.0.1"], ports: {80: 8080}}
        - {name: empty, namespace: app, hostname: empty.app.svc.cluster.local, vips: ["/10.96.0.2"], ports: {80: 8080}}
        policies:
        - {name: sleepers, namespace: app, scope: Namespace, action: Allow, dryRun: false, rules: [[[{principals: [!Exact cluster.local/ns/app/sa/sleep], destinationPorts: [8080]}]]]}
        - {name: nobody, namespace: app, scope: Namespace, action: Deny, dryRun: false, rules: [[[{namespaces: [!Exact other]}]]]}
        - {name: tried, namespace: app, scope: Namespace, action: Deny, dryRun: true, rules: [[[{namespaces: [!Exact app]}]]]}
        """;

    private static readonly NameRules s_rules = new("cluster.local");

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("mesh");

    [Theory]
    [InlineData("app/sleep", "web:80")]
    [InlineData("10.0.0.2", "app/web:80")]
    [InlineData("c//Pod/app/sleep", "10.96.0.1:80")]
    public void Question_ByAnyName_IsExplainedForAPerson(string src, string dst)
    {
        var answer = Ask($"src={src}&dst={dst}");

        Assert.Equal(200, answer.Status);
        var text = Encoding.UTF8.GetString(answer.Body.Span);
        Assert.Contains("is service app/web.app.svc.cluster.local", text, StringComparison.Ordinal);
        Assert.Contains("+ app/web-1 (10.0.0.3 port 8080), weight 1", text, StringComparison.Ordinal);
        Assert.Contains("- app/web-2 (10.0.0.4 port 8080): its capacity is 0", text, StringComparison.Ordinal);
        Assert.Contains("=> a tunnel to 10.0.0.3:15008 of app/web-1, for 10.0.0.3:8080", text, StringComparison.Ordinal);
        Assert.Contains("presents  spiffe://cluster.local/ns/app/sa/sleep", text, StringComparison.Ordinal);
        Assert.Contains("DENY  app/nobody: does not match (rule 0: namespace)", text, StringComparison.Ordinal);
        Assert.Contains("DENY  app/tried (dry run): matches by rule 0", text, StringComparison.Ordinal);
        Assert.Contains("ALLOW app/sleepers: matches by rule 0", text, StringComparison.Ordinal);
        Assert.Contains("app/gone: listed by the workload but unknown", text, StringComparison.Ordinal);
        Assert.Contains("ALLOWED: allowed by: app/sleepers", text, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Question_Damaged_IsAnsweredOrRefused()
    {
        var endpoint = EndpointOf(Capture.Dns.DnsKit.Mesh(Yaml));
        FuzzBudget.Run(3000, random =>
        {
            var query = Damage.Of("src=app/sleep&dst=web.app.svc.cluster.local:80&format=json", random, "%2F", "&", "=", "[::1]:80", "10.96.0.2:80", "%", "..", "*.", "/", ":0");
            Assert.Contains(Of(endpoint, new AdminRequest("GET", "/explain", query, "")).Status, (int[])[200, 400, 404]);
        });
    }

    [Fact]
    public void WhatIsRefused_SaysWhy()
    {
        Assert.Contains("REFUSED: no healthy upstream: 10.96.0.2:80", TextOf("src=app/sleep&dst=empty:80"), StringComparison.Ordinal);
        Assert.Contains("is unknown to the mesh", TextOf("src=app/sleep&dst=1.2.3.4:80"), StringComparison.Ordinal);
        var denied = TextOf("src=app/sleep&dst=10.0.0.3:9999");
        Assert.Contains("ALLOW app/sleepers: does not match (rule 0: destination port)", denied, StringComparison.Ordinal);
        Assert.Contains("DENIED: allow policies exist, but none allowed", denied, StringComparison.Ordinal);
        Assert.Contains("plain TCP to 10.0.0.5:80 of app/plain", TextOf("src=app/sleep&dst=10.0.0.5:80"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 400, "src is missing")]
    [InlineData("src=app/sleep", 400, "dst is missing")]
    [InlineData("src=app/sleep&dst=web", 400, "has no port")]
    [InlineData("src=app/sleep&dst=web:0", 400, "has no port")]
    [InlineData("src=app/nobody&dst=web:80", 404, "no workload")]
    [InlineData("src=app/sleep&dst=elsewhere.example:80", 404, "does not know the name")]
    public void QuestionThatCannotBeAnswered_SaysHowToAsk(string query, int status, string said)
    {
        var answer = Ask(query);

        Assert.Equal(status, answer.Status);
        var text = Encoding.UTF8.GetString(answer.Body.Span);
        Assert.Contains(said, text, StringComparison.Ordinal);
        Assert.Contains("usage: GET /explain", text, StringComparison.Ordinal);
    }

    /// <summary>What is explained is what was recorded of the originals: every outcome, and no other.</summary>
    [SkippableTheory]
    [MemberData(nameof(Cases))]
    [Trait("Category", "Golden")]
    public void RecordedConnections_AreExplainedAsTheyWent(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        var mesh = GoldenMesh.Load(folder);
        var endpoint = EndpointOf(mesh);
        foreach (var (line, question) in GoldenMesh.Questions(folder, "connect.jsonl"))
        {
            var query = $"src={Uri.EscapeDataString(question.GetProperty("workload").GetString()!)}&dst={Uri.EscapeDataString(question.GetProperty("destination").GetString()!)}&format=json";
            var answer = Of(endpoint, new AdminRequest("GET", "/explain", query, ""));
            Assert.True(answer.Status == 200, $"connect.jsonl:{line}: {Encoding.UTF8.GetString(answer.Body.Span)}");
            using var json = JsonDocument.Parse(answer.Body);
            var explained = json.RootElement.GetProperty("outcomes").EnumerateArray().Select(Key).Order().ToArray();
            var recorded = question.GetProperty("outcomes").EnumerateArray().Select(Key).Distinct().Order().ToArray();
            if (recorded.Contains("error"))
            {
                Assert.Contains("error", explained);
            }
            else
            {
                Assert.Equal(recorded, explained);
            }
        }
    }

    /// <summary>For every recorded question of policy, what each policy is said to do comes to the recorded decision.</summary>
    [SkippableTheory]
    [MemberData(nameof(Cases))]
    [Trait("Category", "Golden")]
    public void RecordedDecisions_FollowFromTheTraceOfPolicies(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        var mesh = GoldenMesh.Load(folder);
        foreach (var (line, question) in GoldenMesh.Questions(folder, "authorize.jsonl"))
        {
            var identity = question.GetProperty("identity").GetString();
            var facts = new ConnectionFacts(
                IPEndPoint.Parse(question.GetProperty("source").GetString()!),
                IPEndPoint.Parse(question.GetProperty("destination").GetString()!),
                identity is null ? null : SpiffeId.Parse(identity));
            var trace = ConnectionAuthorizer.Trace(mesh, mesh.Workloads[question.GetProperty("workload").GetString()!], facts);
            var real = trace.Where(policy => !policy.Policy.DryRun).ToArray();
            var allows = real.Where(policy => policy.Policy.Action == PolicyAction.Allow).ToArray();

            var allowed = !real.Any(policy => policy is { Policy.Action: PolicyAction.Deny, Rule: not null }) && (allows.Length == 0 || allows.Any(policy => policy.Rule is not null));

            Assert.True(question.GetProperty("allowed").GetBoolean() == allowed, $"authorize.jsonl:{line}");
            Assert.All(trace, policy => Assert.Equal(policy.Rule is null, policy.Missed is { Length: > 0 }));
        }
    }

    private static string Key(JsonElement outcome) => outcome.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.String
        ? "error"
        : $"{outcome.GetProperty("protocol").GetString()} {outcome.GetProperty("nextHop").GetString()} {outcome.GetProperty("tunnelTarget").GetString()} {outcome.GetProperty("nextHopWorkload").GetString()}";

    private static string TextOf(string query) => Encoding.UTF8.GetString(Ask(query).Body.Span);

    private static AdminResponse Ask(string query) =>
        Of(EndpointOf(Capture.Dns.DnsKit.Mesh(Yaml)), new AdminRequest("GET", "/explain", query, ""));

    private static AdminResponse Of(ExplainEndpoint endpoint, AdminRequest request)
    {
        // Who knows the whole mesh answers at once.
        var answer = endpoint.AnswerAsync(request, CancellationToken.None).AsTask();
        Assert.True(answer.IsCompleted);
        return answer.GetAwaiter().GetResult();
    }

    private static ExplainEndpoint EndpointOf(MeshSnapshot mesh)
    {
        var store = new MeshStore();
        store.Publish(mesh);
        return new ExplainEndpoint(store, null, "", s_rules);
    }
}
