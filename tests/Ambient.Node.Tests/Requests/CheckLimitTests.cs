using System.Net;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Upstreams;
using Ambient.Testing.Certificates;

namespace Ambient.Node.Tests.Requests;

/// <summary>What questions to external authorizers may hold, and what their answers mean, asked without a waypoint around them.</summary>
public sealed class CheckLimitTests
{
    private static readonly ExternalAuthorizer s_authorizer = new()
    {
        Name = "authz", Protocol = ExternalAuthorizerProtocol.Grpc, Hostname = "authz.app.svc.cluster.local", Port = 80, Timeout = TimeSpan.FromSeconds(30),
    };

    [Fact]
    public async Task Questions_BeyondTheBound_AreNotAsked_AndTheOthersWait()
    {
        await using var mesh = new TestMesh();
        mesh.AddService("authz", waypoint: null);
        var silent = new System.Net.Sockets.TcpListener(mesh.AddWorkload("authz-0", "authz", TunnelProtocol.Tcp, "authz").Addresses[0], 8080);
        silent.Start();
        await using var svids = new SvidCache(new TestAuthority());
        await using var hbone = new HboneClient(new HboneClientOptions(), svids);
        using var pool = new UpstreamPool(
            mesh.Store, new UpstreamDialer(hbone, SocketConnector.Default, LocalWorkload.ByPod(mesh.Store, "app", "authz-0", TimeProvider.System)), new UpstreamOptions(), TimeProvider.System);
        var client = new AuthorizerClient(pool, new CheckLimits { MaxChecks = 4 }, TimeProvider.System);
        var owners = Enumerable.Range(0, 3).Select(_ => new Owner()).ToArray();
        var self = mesh.AddWorkload("self", "self");
        var waiting = owners.Select((owner, i) => client.CheckAsync(s_authorizer, mesh.Store.Current, self, Facts((byte)(i == 2 ? 2 : 1)), owner).AsTask()).ToArray();
        await Task.WhenAll(owners.Select(owner => owner.Attached.Task)).WaitAsync(TimeSpan.FromSeconds(60));

        // An address has its share, and leaves room for others.
        var refused = await client.CheckAsync(s_authorizer, mesh.Store.Current, self, Facts(), new Owner());
        Assert.Equal(CheckOutcome.Overloaded, refused.Outcome);
        Assert.Contains("3 of 4 questions wait", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(3, client.Underway);
        Assert.DoesNotContain(waiting, static task => task.IsCompleted);

        // Who goes away does not leave the question behind.
        foreach (var owner in owners)
        {
            (await owner.Attached.Task).Abort(MessageFault.ClientGone);
        }

        Assert.All(await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(60)), static verdict => Assert.Equal(CheckOutcome.Failed, verdict.Outcome));
        Assert.Equal(0, client.Underway);
        silent.Stop();
    }

    [Fact]
    public async Task Question_ThatGetsNoConnectionForWantOfRoom_IsNoFailureOfTheAuthorizer()
    {
        await using var mesh = new TestMesh();
        mesh.AddService("authz", waypoint: null);
        using var silent = new System.Net.Sockets.TcpListener(mesh.AddWorkload("authz-0", "authz", TunnelProtocol.Tcp, "authz").Addresses[0], 8080);
        silent.Start();
        await using var svids = new SvidCache(new TestAuthority());
        await using var hbone = new HboneClient(new HboneClientOptions(), svids);
        using var pool = new UpstreamPool(
            mesh.Store, new UpstreamDialer(hbone, SocketConnector.Default, LocalWorkload.ByPod(mesh.Store, "app", "authz-0", TimeProvider.System)), new UpstreamOptions { MaxConnections = 1 }, TimeProvider.System);
        var client = new AuthorizerClient(pool, new CheckLimits(), TimeProvider.System);
        var self = mesh.AddWorkload("self", "self");
        var http = s_authorizer with { Protocol = ExternalAuthorizerProtocol.Http };
        var owner = new Owner();

        // Off the loops, whose threads have connections of their own.
        var first = Task.Run(async () => await client.CheckAsync(http, mesh.Store.Current, self, RequestFacts(), owner));
        var check = await owner.Attached.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var second = await Task.Run(async () => await client.CheckAsync(http with { Timeout = TimeSpan.FromMilliseconds(100) }, mesh.Store.Current, self, RequestFacts(), new Owner()));

        Assert.Equal(CheckOutcome.Overloaded, second.Outcome);
        Assert.Contains("no connection became free", second.Reason, StringComparison.Ordinal);
        check.Abort(MessageFault.Aborted);
        Assert.Equal(CheckOutcome.Failed, (await first.WaitAsync(TimeSpan.FromSeconds(60))).Outcome);
    }

    [Theory]
    [InlineData(System.Net.Sockets.SocketError.TooManyOpenSockets, true)]
    [InlineData(System.Net.Sockets.SocketError.ConnectionRefused, false)]
    public void Connection_ThatWeHaveNoDescriptorFor_IsNoFailureOfTheEndpoint(System.Net.Sockets.SocketError error, bool isOurs) =>
        Assert.Equal(isOurs, new UpstreamConnectException("", new IOException("", new System.Net.Sockets.SocketException((int)error))).IsOurs);

    [Fact]
    public void Bodies_HaveABoundTogether_AndAnAddressHoldsNoMoreThanIsLeft()
    {
        var bodies = new CheckBodies(100);
        var one = bodies.For(IPAddress.Parse("10.0.0.1"));
        Assert.True(one.TryTake(30));
        Assert.True(one.TryTake(20));
        var same = bodies.For(IPAddress.Parse("::ffff:10.0.0.1"));
        Assert.False(same.TryTake(1));

        var other = bodies.For(IPAddress.Parse("fd00::1"));
        Assert.True(other.TryTake(25));
        Assert.False(bodies.For(IPAddress.Parse("fd00::2")).TryTake(1));
        Assert.True(bodies.For(IPAddress.Parse("fd00:0:0:1::1")).TryTake(12));

        one.Release();
        one.Release();
        Assert.Equal(37, bodies.Held);
        Assert.True(same.TryTake(31));
    }

    [Fact]
    public void GrpcQuestion_OfABodyThatIsNoText_IsNoLongerThanTheBody()
    {
        byte[] body = [.. Enumerable.Repeat((byte)0xFF, 4000), .. "ä"u8, 0xE2, 0x82];
        var message = GrpcCheck.Write(
            s_authorizer with { Body = new CheckedBody(8000, AllowPartial: true, AsBytes: false) }, RequestFacts() with { Body = body, IsPartial = false });

        Assert.Equal(new string('!', 4000) + "ä!", Ambient.Node.Protos.ExternalAuth.CheckRequest.Parser.ParseFrom(message.AsSpan(GrpcCheck.PrefixLength)).Attributes.Request.Http.Body);
        Assert.InRange(message.Length, body.Length, body.Length + 400);
    }

    [Theory]
    [InlineData(200, null, new byte[] { 0, 0, 0, 0, 0 })]
    [InlineData(200, "12", new byte[] { 0, 0, 0, 0, 0 })]
    [InlineData(503, "0", new byte[] { 0, 0, 0, 0, 0 })]
    [InlineData(200, "0", new byte[] { })]
    [InlineData(200, "0", new byte[] { 1, 0, 0, 0, 0 })]
    [InlineData(200, "0", new byte[] { 0, 0, 0, 0, 2, 0 })]
    [InlineData(200, "0", new byte[] { 0, 0, 0, 0, 1, 255 })]
    public void GrpcAnswer_ThatIsNone_IsAFailure(int status, string? grpcStatus, byte[] body) =>
        Assert.Equal(CheckOutcome.Failed, GrpcCheck.Read(status, grpcStatus, null, body).Outcome);

    [Fact]
    public void GrpcAnswer_WithoutAnything_LetsIn() => Assert.Equal(CheckOutcome.Allowed, GrpcCheck.Read(200, "0", null, [0, 0, 0, 0, 0]).Outcome);

    [Theory]
    [InlineData(0, 403)]
    [InlineData(100, 403)]
    [InlineData(600, 403)]
    [InlineData(200, 200)]
    public void Denial_HasAStatusThatAnAnswerMayHave(int asked, int given) => Assert.Equal(given, CheckVerdict.Deny(asked, [], default).Status);

    [Fact]
    public void HttpDenial_WithoutAList_HasEveryHeader()
    {
        var fields = new HttpFields();
        fields.Add("x-why", "because");
        fields.Add("set-cookie", "a=1");
        fields.Add("set-cookie", "b=2");
        fields.Add("x-envoy-upstream-service-time", "1");
        var verdict = HttpCheck.Read(s_authorizer with { Protocol = ExternalAuthorizerProtocol.Http }, 403, fields, default);

        Assert.Equal(["x-why=because", "set-cookie=a=1", "set-cookie=b=2"], verdict.Headers.Select(header => $"{header.Name}={header.Value}"));
        var answer = new HttpFields();
        answer.Add("set-cookie", "ours");
        HeaderMutations.Answer(answer, verdict.Headers);
        Assert.Equal("a=1,b=2", answer.Get("set-cookie"));
    }

    private static CheckFacts Facts(byte host = 1) => new() { Source = new IPEndPoint(new IPAddress([127, 0, 0, host]), 1), Destination = new IPEndPoint(IPAddress.Loopback, 2) };

    private static CheckFacts RequestFacts() => Facts() with { Head = new RequestHead { Method = "GET", Target = "/", Authority = "a" }, Target = "/" };

    private sealed class Owner : ICheckOwner
    {
        public TaskCompletionSource<ClientExchange> Attached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public RequestHead QuestionHead { get; } = new();

        public void Attach(ClientExchange check) => Attached.TrySetResult(check);

        public void Detach()
        {
        }
    }
}
