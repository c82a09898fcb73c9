using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Tests.Hosting;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Capture.Dns;

/// <summary>How questions and answers look on the wire, whatever they are about.</summary>
public sealed class DnsProtocolTests
{
    private const string Mesh = """
        workloads:
        - {uid: c//Pod/app/client, name: client, namespace: app, workloadIps: ["10.77.0.2"], protocol: HBONE, node: local, network: "", services: {}}
        - {uid: c//Pod/app/t0, name: t0, namespace: app, workloadIps: ["10.77.0.10", "10.77.0.11"], protocol: HBONE, node: local, network: "", services: {"app/two.app.svc.cluster.local": {80: 80}}}
        - {uid: c//Pod/app/t1, name: t1, namespace: app, workloadIps: ["10.77.0.12"], protocol: HBONE, node: local, network: "", services: {"app/two.app.svc.cluster.local": {80: 80}}}
        services:
        - {name: web, namespace: app, hostname: web.app.svc.cluster.local, vips: ["/10.96.7.1"], ports: {80: 80}}
        - {name: two, namespace: app, hostname: two.app.svc.cluster.local, vips: [], ports: {80: 80}}
        policies: []
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly NameRules s_rules = new("cluster.local");

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 4)]
    [InlineData(4, 4)]
    [InlineData(5, 4)]
    [InlineData(15, 4)]
    public async Task Opcode_OtherThanQuery_IsNotImplemented_AndEchoed(int opcode, int code)
    {
        await using var dns = Start();

        var got = await dns.AskAsync(DnsKit.Query("web", 1, opcode: opcode));

        Assert.Equal((0x1234, code, opcode), (got.Id, got.Code, (got.Flags >> 11) & 0xf));
        Assert.Equal(0, dns.Forwarded);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(255)]
    public async Task Questions_OtherThanOne_AreAFormatError(byte questions)
    {
        await using var dns = Start();
        var query = DnsKit.Query("web", 1);
        query[5] = questions;

        // Twice the question, as it says.
        var got = await dns.AskAsync([.. query, .. query[12..]]);

        Assert.Equal((1, 0), (got.Code, dns.Forwarded));
    }

    [Theory]
    [InlineData(16, 1)]
    [InlineData(255, 1)]
    [InlineData(65, 1)]
    [InlineData(1, 3)]
    [InlineData(1, 255)]
    public async Task OtherTypesAndClasses_AreForwarded_EvenOfNamesOfTheMesh(ushort type, ushort @class)
    {
        await using var dns = Start();

        var got = await dns.AskAsync(DnsKit.Query("web.app.svc.cluster.local", type, @class: @class));

        Assert.Equal((3, 1), (got.Code, dns.Forwarded));
    }

    [Theory]
    [InlineData("web", false)]
    [InlineData("web", true)]
    [InlineData("elsewhere.example", false)]
    [InlineData("elsewhere.example", true)]
    public async Task Header_HasTheClientsNumberAndWish_AndSaysThatRecursionIsThere(string name, bool recursion)
    {
        await using var dns = Start();
        var query = DnsKit.Query(name, 1, id: 0xBEEF);
        query[2] = (byte)(recursion ? 1 : 0);

        var got = await dns.AskAsync(query);

        Assert.Equal((0xBEEF, recursion, true, name == "web", false), (got.Id, (got.Flags & 0x0100) != 0, got.RecursionAvailable, got.Authoritative, got.Truncated));
        Assert.Equal(0x8000, got.Flags & 0x8000);
    }

    [Theory]
    [InlineData("WeB.aPP", false)]
    [InlineData("WeB.aPP", true)]
    [InlineData("ElseWhere.Example", false)]
    [InlineData("ElseWhere.Example", true)]
    public async Task Question_ComesBackLetterForLetter(string name, bool tcp)
    {
        await using var dns = Start();
        var query = DnsKit.Query(name, 1);

        byte[] got;
        if (tcp)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(dns.Address);
            await DnsStream.WriteAsync(client.GetStream(), query, default);
            got = (await DnsStream.ReadAsync(client.GetStream(), default))!;
        }
        else
        {
            got = await dns.AskUdpAsync(query);
        }

        Assert.Equal(query[12..], got[12..query.Length]);
        Assert.Equal(name == "WeB.aPP" ? 0 : 1, dns.Forwarded);
    }

    [Theory]
    [InlineData(100, 512)]
    [InlineData(512, 512)]
    [InlineData(4096, 4096)]
    [InlineData(65535, 65535)]
    public async Task Edns_IsEchoed_WithVersionAndDo_AndAtLeast512Bytes(int payload, int echoed)
    {
        await using var dns = Start();
        var query = DnsKit.Query("web", 1, payload: payload);
        query[^5] = 3;

        var got = await dns.AskAsync(query);

        Assert.Equal((true, echoed, 0x00038000), (got.Edns, got.Payload, got.EdnsFlags));
        Assert.Equal("10.96.7.1", Assert.Single(got.Answers).Data);

        // In a failure, too; and not where nobody spoke of it.
        await using var alone = Start(upstream: false);
        var failure = await alone.AskAsync(DnsKit.Query("elsewhere.example", 1, payload: payload));
        Assert.Equal((2, true, echoed), (failure.Code, failure.Edns, failure.Payload));
        Assert.False((await dns.AskAsync(DnsKit.Query("web", 1))).Edns);
    }

    [Fact]
    public async Task EdnsTwice_IsAFormatError()
    {
        await using var dns = Start();
        var query = DnsKit.Query("web", 1, payload: 1232);
        query[11] = 2;

        Assert.Equal(1, (await dns.AskAsync([.. query, .. query[^11..]])).Code);
    }

    [Fact]
    public async Task Headless_HasOneAddressOfEachEndpoint_InAnyOrder()
    {
        await using var dns = Start();
        var orders = new HashSet<string>();

        for (var i = 0; i < 100 && orders.Count < 2; i++)
        {
            orders.Add(string.Join(' ', (await dns.AskAsync(DnsKit.Query("two", 1))).Answers.Select(answer => answer.Data)));
        }

        Assert.Equal(["10.77.0.10 10.77.0.12", "10.77.0.12 10.77.0.10"], orders.Order());
    }

    [SkippableFact]
    [Trait("Reference", "ipv4_in_6_should_unwrap")]
    public async Task BothFamilies_AreServed_ByOneSocketOrByTwo()
    {
        Skip.IfNot(Socket.OSSupportsIPv6, "no IPv6 here");
        await using var six = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, at: IPAddress.IPv6Loopback);
        Assert.Equal("10.96.7.1", Assert.Single((await six.AskAsync(DnsKit.Query("web", 1))).Answers).Data);
        Assert.Equal("10.96.7.1", Assert.Single((await six.AskAsync(DnsKit.Query("web", 1), tcp: true)).Answers).Data);

        // [::] takes both: an IPv4 client is one whose address is written as IPv6 there.
        await using var both = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, at: IPAddress.IPv6Any);
        foreach (var address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            await socket.ConnectAsync(address, both.Address.Port);
            await socket.SendAsync(DnsKit.Query("web", 1));
            var buffer = new byte[512];
            var length = await socket.ReceiveAsync(buffer).WaitAsync(s_patience);
            Assert.Equal("10.96.7.1", Assert.Single(DnsReply.Parse(buffer[..length]).Answers).Data);
        }
    }

    [Fact]
    public async Task ResponseFromThePortWeAnswerFrom_IsNotAnswered_BecauseItMayBeOurOwn()
    {
        await using var dns = Start();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), dns.Address.Port));
        await socket.ConnectAsync(dns.Address);
        var response = DnsKit.Query("web", 1, id: 1);
        response[2] |= 0x80;

        await socket.SendAsync(response);
        await socket.SendAsync(DnsKit.Query("web", 1, id: 2));

        var buffer = new byte[512];
        await socket.ReceiveAsync(buffer).WaitAsync(s_patience);
        Assert.Equal(2, buffer[1]);
    }

    [Fact]
    public async Task Tcp_AnswersEachQuestionWhenItCan_AlsoToWhoHasClosedItsEnd()
    {
        var answer = new TaskCompletionSource();
        var server = NameServer.Start();
        server.Answer = (query, _) =>
        {
            answer.Task.Wait(s_patience);
            return NameServer.Reply(query, code: 3);
        };
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, TimeProvider.System, [server]);
        using var client = new TcpClient();
        await client.ConnectAsync(dns.Address);
        var stream = client.GetStream();
        byte[] slow = DnsKit.Query("elsewhere.example", 1, id: 1), quick = DnsKit.Query("web", 1, id: 2);

        // In one piece; the first is a matter for somebody else.
        await stream.WriteAsync((byte[])[0, (byte)slow.Length, .. slow, 0, (byte)quick.Length, .. quick]);
        client.Client.Shutdown(SocketShutdown.Send);

        Assert.Equal((2, 0), Numbers(await DnsStream.ReadAsync(stream, default).WaitAsync(s_patience)));
        answer.SetResult();
        Assert.Equal((1, 3), Numbers(await DnsStream.ReadAsync(stream, default).WaitAsync(s_patience)));
        Assert.Null(await DnsStream.ReadAsync(stream, default).WaitAsync(s_patience));
    }

    [Fact]
    public async Task Tcp_TakesMoreQuestionsThanItAnswersAtOnce()
    {
        await using var dns = Start();
        using var client = new TcpClient();
        await client.ConnectAsync(dns.Address);
        var all = new List<byte>();
        for (ushort id = 0; id < 200; id++)
        {
            var query = DnsKit.Query(id % 2 == 0 ? "web" : "elsewhere.example", 1, id);
            all.AddRange([0, (byte)query.Length, .. query]);
        }

        await client.GetStream().WriteAsync(all.ToArray());

        var seen = new HashSet<int>();
        while (seen.Count < 200)
        {
            var reply = DnsReply.Parse((await DnsStream.ReadAsync(client.GetStream(), default).WaitAsync(s_patience))!);
            Assert.Equal(reply.Id % 2 == 0 ? 0 : 3, reply.Code);
            Assert.True(seen.Add(reply.Id));
        }
    }

    [Fact]
    public async Task Tcp_WhoSaysNothingForFiveSeconds_HasSaidAll()
    {
        var time = new FakeTimeProvider();
        await using var dns = DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, time, []);
        using var client = new TcpClient();
        await client.ConnectAsync(dns.Address);

        // Half a question does not help; the answer to the first one shows that the server waits for the second.
        var query = DnsKit.Query("web", 1);
        await client.GetStream().WriteAsync((byte[])[0, (byte)query.Length, .. query, 0, 40, 1]);
        Assert.NotNull(await DnsStream.ReadAsync(client.GetStream(), default).WaitAsync(s_patience));
        var ended = client.GetStream().ReadAsync(new byte[1]).AsTask();
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.NotSame(ended, await Task.WhenAny(ended, Task.Delay(200)));

        await LoopbackMesh.Until(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return ended.IsCompleted;
            },
            "the end of the connection");
        await Task.WhenAny(ended);
        Assert.True(ended.IsFaulted || await ended == 0);
    }

    private static (int Id, int Code) Numbers(byte[]? message) => DnsReply.Parse(message!) is var reply ? (reply.Id, reply.Code) : default;

    private static DnsKit Start(bool upstream = true) => DnsKit.Start(DnsKit.Mesh(Mesh), "app", "client", s_rules, upstream);
}
