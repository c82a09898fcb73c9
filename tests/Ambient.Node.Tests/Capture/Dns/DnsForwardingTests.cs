using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Tests.Hosting;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Capture.Dns;

/// <summary>What happens to questions that are not the mesh's to answer.</summary>
public sealed class DnsForwardingTests
{
    private const string Mesh = """
        workloads:
        - {uid: c//Pod/app/client, name: client, namespace: app, workloadIps: ["10.77.0.2"], protocol: HBONE, node: local, network: "", canonicalName: client, canonicalRevision: v1, services: {}}
        services:
        - {name: web, namespace: app, hostname: web.app.svc.cluster.local, vips: ["/10.96.7.1"], ports: {80: 80}}
        policies: []
        """;

    private static readonly byte[] s_query = DnsKit.Query("elsewhere.example", 1);
    private static readonly byte[] s_record = NameServer.Record(IPAddress.Parse("192.0.2.7"));

    [Theory]
    [Trait("Reference", "forward_to_server")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_IsRelayedWithItsAdditionals_AsNobodysAuthority_UnderANumberOfOurs(bool tcp)
    {
        var server = NameServer.Start();
        server.Answer = (query, _) => NameServer.Reply(query, authoritative: true, answers: 1, additionals: 1, records: [s_record, NameServer.Record(IPAddress.Parse("192.0.2.8"))]);
        await using var dns = Start(server);

        for (var i = 0; i < 4; i++)
        {
            var got = await dns.AskAsync(s_query, tcp);
            Assert.Equal((0x1234, 0, false, true, 1), (got.Id, got.Code, got.Authoritative, got.RecursionAvailable, got.Additionals));
            Assert.Equal(("elsewhere.example.", 77, "192.0.2.7"), Assert.Single(got.Answers) is var answer ? (answer.Name, answer.TimeToLive, answer.Data) : default);
        }

        Assert.All(server.Asked, asked => Assert.Equal((tcp, Convert.ToHexString(s_query[2..])), (asked.Tcp, Convert.ToHexString(asked.Query[2..]))));
        Assert.True(server.Asked.Select(asked => (asked.Query[0] << 8) | asked.Query[1]).Distinct().Count() > 1, "the same number again and again");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task ServerThatRefuses_IsPassedOver_AndHeardIfThereIsNoOther(int code)
    {
        var (refuses, knows) = (NameServer.Start(), NameServer.Start());
        refuses.Answer = (query, _) => NameServer.Reply(query, code);
        knows.Answer = (query, _) => NameServer.Reply(query, answers: 1, records: s_record);
        await using (var dns = Start(refuses, knows))
        {
            Assert.Equal("192.0.2.7", Assert.Single((await dns.AskAsync(s_query)).Answers).Data);
            Assert.Single(refuses.Asked);
        }

        var alone = NameServer.Start();
        alone.Answer = (query, _) => NameServer.Reply(query, code);
        await using var only = Start(alone);
        Assert.Equal(code, (await only.AskAsync(s_query)).Code);
        Assert.Single(alone.Asked);
        Assert.DoesNotContain("istio_dns_upstream_failures", only.Metrics(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RefusalWithoutTheQuestion_GetsItBack()
    {
        var server = NameServer.Start();
        server.Answer = (query, _) => [query[0], query[1], 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        await using var dns = Start(server);

        var got = await dns.AskUdpAsync(s_query);

        Assert.Equal((1, 0x12, 0x34), (got[3] & 0xf, got[0], got[1]));
        Assert.Equal(s_query[12..], got[12..]);
    }

    [Fact]
    public async Task SilentServer_IsLeftAfterTwoSeconds_AndNextTimeAsWell()
    {
        var time = new FakeTimeProvider();
        var (silent, knows) = (NameServer.Start(), NameServer.Start());
        silent.Answer = (_, _) => null;
        knows.Answer = (query, _) => NameServer.Reply(query, answers: 1, records: s_record);
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", new NameRules("cluster.local"), time, [silent, knows]);

        var asking = dns.AskAsync(s_query);
        await LoopbackMesh.Until(() => silent.Asked.Count == 1, "the first server is asked");
        time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.Empty(knows.Asked);
        await LoopbackMesh.Until(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(0.2));
                return asking.IsCompleted;
            },
            "the second server is asked after two seconds");

        Assert.Equal("192.0.2.7", Assert.Single((await asking).Answers).Data);
    }

    [Fact]
    public async Task NobodyAnswers_IsAServerFailure_AndCounted()
    {
        var time = new FakeTimeProvider();
        var silent = NameServer.Start();
        silent.Answer = (_, _) => null;
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", new NameRules("cluster.local"), time, [silent]);

        var asking = dns.AskAsync(s_query);
        for (var round = 1; round <= 2; round++)
        {
            await LoopbackMesh.Until(
                () =>
                {
                    time.Advance(TimeSpan.FromSeconds(0.2));
                    return silent.Asked.Count >= round;
                },
                "a lost question is asked again");
        }

        await LoopbackMesh.Until(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(0.2));
                return asking.IsCompleted;
            },
            "an answer");

        var got = await asking;
        Assert.Equal((2, false), (got.Code, got.Authoritative));
        const string Labels = "{request_query_type=\"a\",request_protocol=\"udp\",source_canonical_service=\"client\",source_canonical_revision=\"v1\"} 1";
        var metrics = dns.Metrics();
        Assert.Contains("istio_dns_requests_total" + Labels, metrics, StringComparison.Ordinal);
        Assert.Contains("istio_dns_upstream_requests_total" + Labels, metrics, StringComparison.Ordinal);
        Assert.Contains("istio_dns_upstream_failures_total" + Labels, metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ServerThatIsNotThere_IsAServerFailureAtOnce()
    {
        var gone = NameServer.Start();
        await gone.DisposeAsync();
        await using var dns = Start(gone);

        Assert.Equal(2, (await dns.AskAsync(s_query)).Code);
        Assert.Equal(2, (await dns.AskAsync(s_query, tcp: true)).Code);
        Assert.Contains("istio_dns_upstream_failures_total{request_query_type=\"a\",request_protocol=\"tcp\"", dns.Metrics(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnswerToAnotherQuestion_IsNotOurs()
    {
        var server = NameServer.Start();
        var wrong = 0;
        server.Answer = (query, _) =>
        {
            // Three that somebody else might have sent, then, as the question comes again, the right one.
            var forged = NameServer.Reply(query, answers: 1, records: NameServer.Record(IPAddress.Parse("203.0.113.66")));
            switch (wrong++)
            {
                case 0:
                    forged[1] ^= 1;
                    return forged;
                case 1:
                    forged[13] ^= 1;
                    return forged;
                case 2:
                    forged[2] &= 0x7f;
                    return forged;
                default:
                    return NameServer.Reply(query, answers: 1, records: s_record);
            }
        };
        var time = new FakeTimeProvider();
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", new NameRules("cluster.local"), time, [server]);

        for (var i = 0; i < 2; i++)
        {
            var before = server.Asked.Count;
            var asking = dns.AskAsync(s_query);
            await LoopbackMesh.Until(() => server.Asked.Count == before + 1, "the question");
            time.Advance(TimeSpan.FromSeconds(2.1));
            await LoopbackMesh.Until(() => server.Asked.Count == before + 2, "the question again");
            if (i == 0)
            {
                time.Advance(TimeSpan.FromSeconds(2.1));
            }

            var got = await asking;
            Assert.Equal(i == 0 ? [] : ["192.0.2.7"], got.Answers.Select(answer => answer.Data));
        }
    }

    [Fact]
    public async Task LettersThatTheServerChanges_AreStillTheQuestion()
    {
        var server = NameServer.Start();
        server.Answer = (query, _) =>
        {
            var reply = NameServer.Reply(query, answers: 1, records: s_record);
            reply[13] = (byte)char.ToUpperInvariant((char)reply[13]);
            return reply;
        };
        await using var dns = Start(server);

        Assert.Equal("192.0.2.7", Assert.Single((await dns.AskAsync(s_query)).Answers).Data);
    }

    [Fact]
    public async Task AnswerThatWasCutOff_IsHadWholeByTcp()
    {
        var server = NameServer.Start();
        var many = Enumerable.Range(1, 100).Select(i => NameServer.Record(IPAddress.Parse($"192.0.2.{i}"))).ToArray();
        server.Answer = (query, tcp) => tcp ? NameServer.Reply(query, answers: 100, records: many) : NameServer.Reply(query, truncated: true, answers: 1, records: s_record);
        await using var dns = Start(server);

        var udp = await dns.AskAsync(s_query);
        var tcp = await dns.AskAsync(s_query, tcp: true);

        Assert.Equal((true, 1), (udp.Truncated, udp.Answers.Length));
        Assert.Equal((false, 100), (tcp.Truncated, tcp.Answers.Length));
    }

    [Fact]
    public async Task AnswerLargerThanTheClientTakes_IsCutOffHere()
    {
        var server = NameServer.Start();
        server.Answer = (query, _) => NameServer.Reply(query, answers: 100, records: [.. Enumerable.Repeat(s_record, 100)]);
        await using var dns = Start(server);

        Assert.True(await dns.AskAsync(s_query) is { Truncated: true, Answers: [], Length: <= 512 });
        Assert.True(await dns.AskAsync(DnsKit.Query("elsewhere.example", 1, payload: 1232)) is { Truncated: true, Answers: [], Edns: true });
    }

    [Fact]
    public async Task ServerWithoutTcp_AnswersAClientThatHas_AsFarAsItFits()
    {
        var server = NameServer.Start(tcp: false);
        server.Answer = (query, _) => NameServer.Reply(query, answers: 1, records: s_record);
        await using (var dns = Start(server))
        {
            Assert.Equal("192.0.2.7", Assert.Single((await dns.AskAsync(s_query, tcp: true)).Answers).Data);
        }

        // What is cut off by TCP would never be had: better to say that it failed.
        var cuts = NameServer.Start(tcp: false);
        cuts.Answer = (query, _) => NameServer.Reply(query, truncated: true, answers: 1, records: s_record);
        await using var cut = Start(cuts);
        Assert.Equal(2, (await cut.AskAsync(s_query, tcp: true)).Code);
    }

    [Fact]
    public async Task PodThatAsksFasterThanItIsAnswered_HearsSo_AndTakesNobodyElsesPlace()
    {
        var silent = NameServer.Start();
        silent.Answer = (_, _) => null;
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", new NameRules("cluster.local"), new FakeTimeProvider(), [silent]);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(dns.Address);
        for (ushort id = 0; id < DnsForwarder.MostWaiting; id++)
        {
            await socket.SendAsync(DnsKit.Query("elsewhere.example", 1, id));
            if (id % 32 == 31)
            {
                await LoopbackMesh.Until(() => silent.Asked.Count == id + 1, "each is forwarded");
            }
        }

        var full = await dns.AskAsync(s_query);
        var known = await dns.AskAsync(DnsKit.Query("web", 1));
        var other = dns.Proxy.AnswerAsync(s_query, dns.Local, dns.NewForwarder(), tcp: false, default).AsTask();

        Assert.Equal(2, full.Code);
        Assert.Equal("10.96.7.1", Assert.Single(known.Answers).Data);
        await LoopbackMesh.Until(() => silent.Asked.Count == DnsForwarder.MostWaiting + 1, "another pod's question is forwarded");
        Assert.False(other.IsCompleted);
    }

    private static DnsKit Start(params NameServer[] servers) =>
        DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", new NameRules("cluster.local"), TimeProvider.System, servers);
}
