using System.Text.Json;
using Ambient.Node.Capture.Dns;
using Ambient.Policy.Routing.Names;
using Ambient.Testing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Capture.Dns;

public sealed class DnsProxyTests
{
    private const string Mesh = """
        workloads:
        - {uid: c//Pod/app/client, name: client, namespace: app, workloadIps: ["10.77.0.2"], protocol: HBONE, node: local, network: "", canonicalName: client, canonicalRevision: v1, services: {}}
        - {uid: c//Pod/app/h6, name: h6, namespace: app, workloadIps: ["fd00::6"], protocol: HBONE, node: local, network: "", services: {"app/six.app.svc.cluster.local": {80: 80}}}
        - {uid: c//Pod/app/t0, name: t0, namespace: app, workloadIps: ["10.77.0.10", "10.77.0.11", "fd00::10"], hostname: t0.two.app.svc.cluster.local, protocol: HBONE, node: local, network: "", services: {"app/two.app.svc.cluster.local": {80: 80}}}
        - {uid: c//Pod/app/t1, name: t1, namespace: app, workloadIps: ["10.77.0.12"], protocol: HBONE, node: local, network: "", services: {"app/two.app.svc.cluster.local": {80: 80}}}
        services:
        - {name: web, namespace: app, hostname: web.app.svc.cluster.local, vips: ["/10.96.7.1"], ports: {80: 80}}
        - {name: six, namespace: app, hostname: six.app.svc.cluster.local, vips: [], ports: {80: 80}}
        - {name: four, namespace: app, hostname: four.example, vips: ["/10.96.7.4", "/fd96::4"], ports: {80: 80}, ipFamilies: IPv4}
        - {name: hidden, namespace: other, hostname: hidden.example, vips: ["/10.96.7.5"], ports: {80: 80}, visibility: Namespace}
        - {name: wild, namespace: app, hostname: "*.example.com", vips: ["/10.96.7.6"], ports: {80: 80}}
        - {name: one, namespace: app, hostname: one.example.com, vips: ["/10.96.7.7"], ports: {80: 80}}
        - {name: shared, namespace: n1, hostname: shared.example, vips: ["/10.96.8.1"], ports: {80: 80}}
        - {name: shared, namespace: n2, hostname: shared.example, vips: ["/10.96.8.2"], ports: {80: 80}}
        - {name: canon, namespace: n1, hostname: canon.example, vips: ["/10.96.9.1"], ports: {80: 80}}
        - {name: canon, namespace: n2, hostname: canon.example, vips: ["/10.96.9.2"], ports: {80: 80}, canonical: true}
        - {name: faraway, namespace: app, hostname: faraway.example, vips: ["net-2/10.96.9.3"], ports: {80: 80}}
        - {name: v6, namespace: app, hostname: v6.example, vips: ["/10.96.9.4", "/fd96::5"], ports: {80: 80}, ipFamilies: IPv6}
        - {name: empty, namespace: app, hostname: empty.app.svc.cluster.local, vips: [], ports: {80: 80}}
        - {name: novip, namespace: app, hostname: novip.example, vips: [], ports: {80: 80}}
        - {name: two, namespace: app, hostname: two.app.svc.cluster.local, vips: [], ports: {80: 80}}
        - {name: far, namespace: other, hostname: far.other.svc.cluster.local, vips: ["/10.96.9.6"], ports: {80: 80}}
        - {name: mine, namespace: app, hostname: mine.example, vips: ["/10.96.9.7"], ports: {80: 80}}
        - {name: mine, namespace: n2, hostname: mine.example, vips: ["/10.96.9.8"], ports: {80: 80}, canonical: true}
        - {name: first, namespace: n3, hostname: first.example, vips: ["/10.96.9.9"], ports: {80: 80}}
        - {name: first, namespace: n4, hostname: first.example, vips: ["/10.96.9.10"], ports: {80: 80}}
        - {name: mine, namespace: other, hostname: "*.specific.example.com", vips: ["/10.96.9.11"], ports: {80: 80}}
        policies: []
        """;

    private static readonly NameRules s_rules = new("cluster.local", PreferredNamespace: "n2");

    public static IEnumerable<object[]> Recorded => GoldenFolder.Root is not { } root || !File.Exists(Path.Combine(root, "ztunnel", "dns.jsonl"))
        ? [[0]]
        : File.ReadLines(Path.Combine(root, "ztunnel", "dns.jsonl")).Select((_, line) => new object[] { line });

    [SkippableTheory]
    [MemberData(nameof(Recorded))]
    [Trait("Category", "Golden")]
    [Trait("Reference", "forward_to_server")]
    [Trait("Reference", "found")]
    public async Task RecordedQuestions_AreAnsweredAsRecorded(int line)
    {
        var lines = await File.ReadAllLinesAsync(GoldenFolder.Require("ztunnel", "dns.jsonl"));
        using var recorded = JsonDocument.Parse(lines[line]);
        var (name, type, tcp) = (Text(recorded, "name"), Text(recorded, "type"), Text(recorded, "over") == "tcp");
        var mesh = DnsKit.Mesh(await File.ReadAllTextAsync(GoldenFolder.Require("ztunnel", "dns.local.yaml")));
        await using var dns = DnsKit.Start(mesh, "app", "client", new NameRules("cluster.local", SearchDomains: []));

        var got = await dns.AskAsync(DnsKit.Query(name, TypeOf(type)), tcp);

        if (Text(recorded, "status") == "forwarded")
        {
            Assert.Equal(1, dns.Forwarded);
            Assert.Equal((3, false, true), (got.Code, got.Authoritative, got.RecursionAvailable));
            return;
        }

        Assert.Equal(0, dns.Forwarded);
        Assert.Equal(0, got.Code);
        Assert.Equal(recorded.RootElement.GetProperty("flags").EnumerateArray().Select(flag => flag.GetString()).Order(), Flags(got).Order());
        var expected = recorded.RootElement.GetProperty("answers").EnumerateArray()
            .Select(answer => (answer.GetProperty("name").GetString()!, answer.GetProperty("ttl").GetInt32(), (int)TypeOf(answer.GetProperty("type").GetString()!), answer.GetProperty("data").GetString()!));
        Assert.Equal(expected.Order(), got.Answers.Select(answer => (answer.Name, answer.TimeToLive, answer.Type, answer.Data)).Order());
    }

    [Theory]
    [Trait("Reference", "lookup")]
    [Trait("Reference", "search_domains")]
    [Trait("Reference", "test_has_domain")]
    [Trait("Reference", "test_trim_domain")]
    [InlineData("web.app.svc.cluster.local.app.svc.cluster.local", 1, "web.app.svc.cluster.local.", "10.96.7.1")]
    [InlineData("one.example.com.app.svc.cluster.local", 1, "one.example.com.", "10.96.7.7")]
    [InlineData("one.example.com.svc.cluster.local", 1, "one.example.com.", "10.96.7.7")]
    [InlineData("one.example.com.cluster.local", 1, "one.example.com.", "10.96.7.7")]
    public async Task NameThatTheClientCompleted_IsAnAliasOfWhatWasMeant(string name, int type, string alias, string address)
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules);

        var got = await dns.AskAsync(DnsKit.Query(name, (ushort)type));

        Assert.Equal([(name + ".", 5, alias), (alias, 1, address)], got.Answers.Select(answer => (answer.Name, answer.Type, answer.Data)));
        Assert.True(got.Authoritative);
    }

    [Theory]
    [Trait("Reference", "lookup")]
    [Trait("Reference", "test_to_kube_fqdns")]
    [Trait("Reference", "test_get_wildcards")]
    [Trait("Reference", "not_found")]
    [Trait("Reference", "record_found")]
    [InlineData("web", 1, "10.96.7.1")]
    [InlineData("six.app", 28, "fd00::6")]
    [InlineData("six.app", 1, "")]
    [InlineData("four.example", 1, "10.96.7.4")]
    [InlineData("four.example", 28, "")]
    [InlineData("a.b.example.com", 1, "10.96.7.6")]
    [InlineData("one.example.com", 1, "10.96.7.7")]
    [InlineData("two.example.com.app.svc.cluster.local", 1, "10.96.7.6")]
    [InlineData("shared.example", 1, "10.96.8.2")]
    [InlineData("canon.example", 1, "10.96.9.2")]
    [InlineData("web.app", 1, "10.96.7.1")]
    [InlineData("web.app.svc", 1, "10.96.7.1")]
    [InlineData("web.app.svc.cluster.local", 1, "10.96.7.1")]
    [InlineData("web.app.svc.cluster.local", 28, "")]
    [InlineData("far.other", 1, "10.96.9.6")]
    [InlineData("far.other.svc", 1, "10.96.9.6")]
    [InlineData("faraway.example", 1, "")]
    [InlineData("v6.example", 1, "")]
    [InlineData("v6.example", 28, "fd96::5")]
    [InlineData("empty", 1, "")]
    [InlineData("empty", 28, "")]
    [InlineData("two", 28, "fd00::10")]
    [InlineData("mine.example", 1, "10.96.9.7")]
    [InlineData("first.example", 1, "10.96.9.9")]
    [InlineData("x.specific.example.com", 1, "10.96.9.11")]
    [InlineData("x.y.specific.example.com", 1, "10.96.9.11")]
    [InlineData("specific.example.com", 1, "10.96.7.6")]
    [InlineData("far", 1, null)]
    [InlineData("novip.example", 1, null)]
    [InlineData("t0.two.app.svc.cluster.local", 1, null)]
    [InlineData("", 1, null)]
    [InlineData("hidden.example", 1, null)]
    [InlineData("web.app.svc.other.domain", 1, null)]
    [InlineData("example.com", 1, null)]
    public async Task Names_AreTheMeshsOrSomebodyElses(string name, int type, string? address)
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules);

        var got = await dns.AskAsync(DnsKit.Query(name, (ushort)type));

        Assert.Equal(address is null ? 1 : 0, dns.Forwarded);
        Assert.Equal(address is null ? (3, false) : (0, true), (got.Code, got.Authoritative));
        Assert.Equal(address is null or "" ? [] : [address], got.Answers.Select(answer => answer.Data));
        Assert.All(got.Answers, answer => Assert.Equal((name + ".", 30), (answer.Name, answer.TimeToLive)));
    }

    [Fact]
    public async Task WithoutIPv6_ThereAreNoSuchAnswers()
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules with { IPv6 = false });

        var got = await dns.AskAsync(DnsKit.Query("six.app", 28));

        Assert.Equal((0, 0), (got.Code, got.Answers.Length));
    }

    [Fact]
    [Trait("Reference", "large_response")]
    public async Task ManyAddresses_FitIntoTcp_AndAreCutOffInUdp()
    {
        var vips = string.Join(", ", Enumerable.Range(0, 256).Select(i => $"\"/10.97.{i / 256}.{i}\""));
        var mesh = DnsKit.Mesh(Mesh.Replace("policies: []", $"- {{name: big, namespace: app, hostname: big.example, vips: [{vips}], ports: {{80: 80}}}}\npolicies: []", StringComparison.Ordinal));
        await using var dns = DnsKit.Start(mesh, "app", "client", s_rules);

        var tcp = await dns.AskAsync(DnsKit.Query("big.example", 1), tcp: true);
        var udp = await dns.AskAsync(DnsKit.Query("big.example", 1));
        var edns = await dns.AskAsync(DnsKit.Query("big.example", 1, payload: 1232));

        Assert.Equal((256, false), (tcp.Answers.Length, tcp.Truncated));
        Assert.True(udp is { Truncated: true, Length: <= 512, Answers.Length: > 10 });
        Assert.True(edns is { Truncated: true, Length: <= 1232 and > 1100, Edns: true } && edns.Answers.Length > udp.Answers.Length);
        Assert.Equal(256, tcp.Answers.Select(answer => answer.Data).Distinct().Count());
    }

    [Fact]
    public async Task WhatIsNoQuery_IsAnsweredSo_AndWithoutServersNothingIsFound()
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, upstream: false);
        Assert.Equal(4, (await dns.AskAsync(DnsKit.Query("web", 1, opcode: 4))).Code);
        var response = DnsKit.Query("web", 1);
        response[2] |= 0x80;
        Assert.Equal(1, (await dns.AskAsync(response)).Code);
        Assert.Equal(1, (await dns.AskAsync([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 77])).Code);
        Assert.Equal(2, (await dns.AskAsync(DnsKit.Query("elsewhere.example", 1))).Code);

        await using var unknown = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "nobody", s_rules);
        Assert.Equal(2, (await unknown.AskAsync(DnsKit.Query("web", 1))).Code);
    }

    [Fact]
    [Trait("Reference", "test_dns_metrics")]
    public async Task Questions_AreCountedByTypeProtocolAndClient()
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules);
        await dns.AskAsync(DnsKit.Query("web", 1));
        await dns.AskAsync(DnsKit.Query("elsewhere.example", 28));

        var metrics = dns.Metrics();

        const string Labels = "request_protocol=\"udp\",source_canonical_service=\"client\",source_canonical_revision=\"v1\"}";
        Assert.Contains($"istio_dns_requests_total{{request_query_type=\"a\",{Labels} 1", metrics, StringComparison.Ordinal);
        Assert.Contains($"istio_dns_upstream_requests_total{{request_query_type=\"aaaa\",{Labels} 1", metrics, StringComparison.Ordinal);
        Assert.Contains("istio_dns_upstream_request_duration_seconds_bucket", metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("istio_dns_upstream_failures", metrics, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(16, "txt")]
    [InlineData(65, "https")]
    [InlineData(65280, "unknown")]
    public async Task TypesWithoutAName_AreOneLabel_AndTcpIsAnother(ushort type, string label)
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules);

        await dns.AskAsync(DnsKit.Query("web", type), tcp: true);

        Assert.Contains($"istio_dns_requests_total{{request_query_type=\"{label}\",request_protocol=\"tcp\",", dns.Metrics(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("one.example.com.corp.example", "one.example.com.")]
    [InlineData("web.corp.example", "web.")]
    [InlineData("web.app.svc.cluster.local.app.svc.cluster.local", null)]
    [InlineData("corp.example", null)]
    public async Task SearchListOfItsOwn_TakesThePlaceOfKubernetes(string name, string? alias)
    {
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules with { SearchDomains = ["corp.example"] });

        var got = await dns.AskAsync(DnsKit.Query(name, 1));

        Assert.Equal(alias is null ? [] : [alias], got.Answers.Where(answer => answer.Type == 5).Select(answer => answer.Data));
        Assert.Equal(alias is null ? 1 : 0, dns.Forwarded);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Queries_OfAnyBytes_AreReadOrRefused()
    {
        var good = DnsKit.Query("web.app.svc.cluster.local", 1, payload: 1232);
        FuzzBudget.Run(50_000, random =>
        {
            var message = Damage.Of(good, random);
            if (!DnsQuery.TryRead(message, out var query, out var code))
            {
                return;
            }

            var answer = code != DnsCode.NoError || query.Name is null
                ? DnsAnswer.Failure(message, query, code)
                : DnsAnswer.Addresses(message, query, null, [System.Net.IPAddress.Loopback], query.Payload);
            Assert.InRange(answer.Length, 12, Math.Max(512, query.Payload));
        });
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void AnswersOfServers_Damaged_AreTakenOnlyForTheirQuestion()
    {
        var asked = DnsKit.Query("example.org", 1, payload: 1232);
        Assert.True(DnsQuery.TryRead(asked, out var query, out _));
        var good = DnsAnswer.Addresses(asked, query, null, [System.Net.IPAddress.Parse("192.0.2.1")], 1232);
        var taken = 0;
        FuzzBudget.Run(20_000, random =>
        {
            if (DnsForwarder.Read(Damage.Of(good, random), asked, query) is not { } answer)
            {
                return;
            }

            taken++;
            DnsAnswer.Relay(answer, 7);
            Assert.Equal([0, 7], answer[..2]);
            Assert.True((answer[2] & 0x80) != 0);
            Assert.Equal(
                System.Text.Encoding.Latin1.GetString(asked[12..query.QuestionEnd]),
                System.Text.Encoding.Latin1.GetString(answer[12..query.QuestionEnd]),
                ignoreCase: true);
        });
        Assert.True(taken > 0);
    }

    [Fact]
    public void ResolverConfig_IsReadAsResolversDo()
    {
        var config = ResolverConfig.Parse(["# comment", "nameserver 10.96.0.10", "nameserver bad", "search App.svc.cluster.local svc.cluster.local", "options ndots:5", "nameserver fd00::1"]);

        Assert.Equal(["10.96.0.10:53", "[fd00::1]:53"], config.Servers.Select(server => server.ToString()));
        Assert.Equal(["app.svc.cluster.local", "svc.cluster.local"], config.Search.ToArray());
        Assert.Empty(ResolverConfig.Read("/nonexistent/resolv.conf").Servers);
    }

    private static string Text(JsonDocument json, string name) => json.RootElement.GetProperty(name).GetString()!;

    private static ushort TypeOf(string type) => type switch
    {
        "A" => 1,
        "AAAA" => 28,
        "CNAME" => 5,
        "SRV" => 33,
        "TXT" => 16,
        "ANY" => 255,
        "PTR" => 12,
        "MX" => 15,
        _ => throw new InvalidOperationException(type),
    };

    private static IEnumerable<string> Flags(DnsReply reply)
    {
        yield return "qr";
        if (reply.Authoritative)
        {
            yield return "aa";
        }

        if ((reply.Flags & 0x0100) != 0)
        {
            yield return "rd";
        }

        if (reply.RecursionAvailable)
        {
            yield return "ra";
        }
    }
}
