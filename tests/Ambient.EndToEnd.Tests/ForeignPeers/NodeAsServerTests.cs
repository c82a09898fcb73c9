using System.Text;
using System.Text.Json.Nodes;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>Node's <c>http2</c> as HBONE server, verifying client certificates, against our client.</summary>
public class NodeAsServerTests
{
    private static readonly SpiffeId s_server = SpiffeId.ForServiceAccount("cluster.local", "default", "server");
    private static readonly SpiffeId s_client = SpiffeId.ForServiceAccount("cluster.local", "default", "client");
    private readonly TestAuthority _authority = new();

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(100_000)]
    [InlineData(50_000_000)]
    public async Task Echo_AnyAmount_ComesBackWhole(int bytes)
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "echo:80");
        var reading = tunnel.ReadToEndAsync();
        var pattern = Tunnels.Pattern(bytes);
        for (var sent = 0; sent < bytes; sent += 1_000_000)
        {
            await tunnel.WriteAsync(pattern[sent..Math.Min(bytes, sent + 1_000_000)]);
        }

        await tunnel.Output.CompleteAsync();
        Assert.Equal(Tunnels.Hash(pattern), Tunnels.Hash(await reading));
    }

    [SkippableFact]
    public async Task Connect_Headers_AreWhatHboneSends()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "echo:80");
        var tls = await server.Node.ReadAsync("tls");
        Assert.Equal(
            ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "h2", $"URI:{s_client}"),
            ((string?)tls["protocol"], (string?)tls["cipher"], (string?)tls["alpn"], (string?)tls["san"]));
        Assert.Equal("false", tls["servername"]!.ToJsonString());
        var connect = await server.Node.ReadAsync("connect");
        Assert.Equal([":method", ":authority"], connect["pseudo"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(
            ("k8s.namespace.name=default", "for=\"10.0.0.9:1234\"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
            ((string?)connect["headers"]!["baggage"], (string?)connect["headers"]!["forwarded"], (string?)connect["headers"]!["traceparent"]));
        Assert.Equal(("k=v", s_server), (tunnel.PeerBaggage, tunnel.PeerIdentity));
    }

    [SkippableFact]
    public async Task Connect_ManyTunnels_ShareOneConnection()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        var tunnels = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.ConnectAsync(client, "echo:80")));
        await Task.WhenAll(tunnels.Select(async tunnel =>
        {
            await tunnel.WriteAsync(Tunnels.Pattern(50_000));
            await tunnel.Output.CompleteAsync();
            Assert.Equal(50_000, (await tunnel.ReadToEndAsync()).Length);
            await tunnel.DisposeAsync();
        }));
        var events = new List<string?>();
        for (var connects = 0; connects < 50;)
        {
            var line = await server.Node.ReadAsync();
            events.Add((string?)line["event"]);
            connects += events[^1] == "connect" ? 1 : 0;
        }

        Assert.Single(events, "tls");
    }

    [SkippableFact]
    public async Task Connect_ServerAllowsFewStreams_OpensMoreConnections()
    {
        await using var server = await ServerAsync(new { maxConcurrentStreams = 2 });
        await using var client = HboneHost.Client(_authority);
        var tunnels = await Task.WhenAll(Enumerable.Range(0, 7).Select(_ => server.ConnectAsync(client, "echo:80")));
        foreach (var tunnel in tunnels)
        {
            await tunnel.WriteAsync("x"u8.ToArray());
            await tunnel.Output.CompleteAsync();
            Assert.Equal("x", await tunnel.ReadTextAsync());
            await tunnel.DisposeAsync();
        }
    }

    [SkippableFact]
    public async Task Connect_Refused_GivesTheStatus()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        var exception = await Assert.ThrowsAsync<HboneException>(() => server.ConnectAsync(client, "refuse:80"));
        Assert.Equal((HboneFailure.Refused, 403), (exception.Failure, exception.StatusCode));
        Assert.Contains("http status: 403 Forbidden", exception.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Connect_ResetInsteadOfAnAnswer_Fails()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        Assert.Equal(HboneFailure.Http2Failed, (await Assert.ThrowsAsync<HboneException>(() => server.ConnectAsync(client, "no-answer:80"))).Failure);
        await using var next = await server.ConnectAsync(client, "echo:80");
    }

    [SkippableFact]
    public async Task HalfClose_NodeFirst_StillReadsWhatWeSendAfter()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "server-first:80");
        Assert.Equal("hello", await tunnel.ReadTextAsync());
        await tunnel.WriteAsync(Encoding.UTF8.GetBytes("after"));
        await tunnel.Output.CompleteAsync();
        Assert.Equal("after", (string?)(await server.Node.ReadAsync("text"))["text"]);
    }

    [SkippableFact]
    public async Task HalfClose_WeFirst_StillReadWhatNodeSendsAfter()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "client-first:80");
        await tunnel.WriteAsync("bye"u8.ToArray());
        await tunnel.Output.CompleteAsync();
        Assert.Equal("got bye", await tunnel.ReadTextAsync());
    }

    [SkippableFact]
    public async Task Reset_ByNode_ReadsAsAnError()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "reset:80");
        await Assert.ThrowsAnyAsync<IOException>(tunnel.ReadToEndAsync);
    }

    [SkippableFact]
    public async Task GoAway_ByNode_KeepsTheTunnelAndDialsAnewForTheNext()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var old = await server.ConnectAsync(client, "goaway:80");
        await old.WriteAsync("still here"u8.ToArray());
        await using var next = await server.ConnectAsync(client, "echo:80");
        await old.Output.CompleteAsync();
        Assert.Equal("still here", await old.ReadTextAsync());
        await next.WriteAsync("and here"u8.ToArray());
        await next.Output.CompleteAsync();
        Assert.Equal("and here", await next.ReadTextAsync());
    }

    [SkippableFact]
    public async Task Destroy_ByNode_FailsTheTunnelAndDialsAnewForTheNext()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        await using var tunnel = await server.ConnectAsync(client, "destroy:80");
        await Record.ExceptionAsync(tunnel.ReadToEndAsync);
        await server.Node.ReadAsync("close");
        await using var next = await server.ConnectAsync(client, "echo:80");
    }

    [SkippableFact]
    public async Task Dispose_Client_SaysGoAwayWithoutError()
    {
        await using var server = await ServerAsync();
        var client = HboneHost.Client(_authority);
        await using (var tunnel = await server.ConnectAsync(client, "echo:80"))
        {
            await tunnel.Output.CompleteAsync();
            await tunnel.ReadToEndAsync();
        }

        await client.DisposeAsync();
        var goAway = await server.Node.ReadAsync("goaway");
        Assert.Equal((0, 0), ((int)goAway["code"]!, (int)goAway["last"]!));
        await server.Node.ReadAsync("close");
    }

    [SkippableFact]
    public async Task Connect_OurCertificateIsOfAnotherRoot_NodeHangsUp()
    {
        await using var server = await ServerAsync();

        // Trusts the server's root, but presents a certificate of another.
        await using var client = new HboneClient(new HboneClientOptions(), new Stranger(_authority));
        var exception = await Assert.ThrowsAsync<HboneException>(() => server.ConnectAsync(client, "echo:80"));
        Assert.Equal(HboneFailure.TlsFailed, exception.Failure);
        await server.Node.ReadAsync("tlsClientError");
    }

    [SkippableFact]
    public async Task Connect_ServerIsNotWhoWeExpect_FailsWithBothNames()
    {
        await using var server = await ServerAsync();
        await using var client = HboneHost.Client(_authority);
        var other = SpiffeId.ForServiceAccount("cluster.local", "default", "other");
        var request = HboneHost.Request(server.Port, s_client, other, "echo:80");
        var exception = await Assert.ThrowsAsync<HboneException>(() => client.ConnectAsync(request).AsTask());
        Assert.Equal(HboneFailure.TlsFailed, exception.Failure);
        Assert.Contains(s_server.ToString(), exception.Message, StringComparison.Ordinal);
    }

    private async Task<Server> ServerAsync(object? settings = null)
    {
        var files = new PemFiles(_authority.Issue(s_server));
        var node = NodeProcess.Start("hbone-server.mjs", new { key = files.KeyPath, cert = files.ChainPath, ca = files.RootsPath, settings = settings ?? new JsonObject() });
        return new Server(node, files, (int)(await node.ReadAsync("listening"))["port"]!);
    }

    private sealed class Server(NodeProcess node, PemFiles files, int port) : IAsyncDisposable
    {
        public NodeProcess Node { get; } = node;

        public int Port { get; } = port;

        public async Task<HboneTunnel> ConnectAsync(HboneClient client, string authority) =>
            await client.ConnectAsync(HboneHost.Request(Port, s_client, s_server, authority)).AsTask().WaitAsync(HboneHost.Patience);

        public async ValueTask DisposeAsync()
        {
            await Node.DisposeAsync();
            files.Dispose();
        }
    }

    private sealed class Stranger(TestAuthority authority) : Ambient.Certificates.ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default)
        {
            var svid = new TestAuthority().Issue(id);
            return new ValueTask<X509Svid>(new X509Svid(id, svid.Leaf, svid.Intermediates, authority.Roots));
        }
    }
}
