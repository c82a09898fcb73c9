using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Who gets in, on both sides (reference 2.1); every refusal says why.</summary>
public abstract class HandshakeTests
{
    private readonly TlsEngine _client;
    private readonly TlsEngine _server;

    private protected HandshakeTests(TlsEngine client, TlsEngine server) => (_client, _server) = (client, server);

    public static TheoryData<string, string> BadClients => new()
    {
        { "another authority", "does not chain to our" },
        { "another trust domain", "accepted here is any member of trust domain cluster.local" },
        { "expired", "expired" },
        { "not yet valid", "not valid before" },
        { "no URI SAN", "no URI SAN" },
        { "two URI SANs", "2 URI SANs" },
        { "not SPIFFE", "no SPIFFE ID" },
        { "server authentication only", "extended key usage" },
    };

    [Theory]
    [MemberData(nameof(BadClients))]
    public async Task Server_BadClientCertificate_IsRefusedWithTheReason(string what, string reason)
    {
        var authority = new TestAuthority();
        await using var pair = new HbonePair(_client, _server) { ServerSvids = new HbonePair.Svids(authority), ClientSvids = new HbonePair.Svids(authority, id => Issue(authority, id, what)) };
        pair.Start(Echo.HandleAsync);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());
        var seen = await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience);

        Assert.Equal(HboneFailure.TlsFailed, failure.Failure);
        Assert.Contains(reason, seen.Reason, StringComparison.Ordinal);
        Assert.Equal(pair.EndPoint, seen.LocalEndPoint);
    }

    [Fact]
    public async Task Server_AcceptedPeers_AreAskedAtEachHandshake()
    {
        await using var pair = new HbonePair { ClientId = SpiffeId.ForServiceAccount("old.example", "default", "sleep") };
        var accepted = SpiffeIdMatcher.MemberOf([TrustDomain.Parse("cluster.local")]);
        pair.ServerOptions.AcceptedPeers = self => self.Equals(pair.ServerId) ? accepted : throw new InvalidOperationException($"{self}");
        pair.Start(Echo.HandleAsync);

        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());
        Assert.Contains("accepted here is any member of the trust domains cluster.local", (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);

        accepted = SpiffeIdMatcher.MemberOf([TrustDomain.Parse("cluster.local"), TrustDomain.Parse("old.example")]);
        await using var tunnel = await pair.ConnectAsync();
    }

    [Fact]
    public async Task Client_ServerIsNotAmongTheAccepted_FailsAndSaysWhoItIs()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        var request = pair.Request() with { AcceptedIdentities = [SpiffeId.ForServiceAccount("cluster.local", "default", "other")] };

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync(request));

        Assert.Equal(HboneFailure.TlsFailed, failure.Failure);
        Assert.Contains(pair.ServerId.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_NobodyIsAccepted_AlwaysFails()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync(pair.Request() with { AcceptedIdentities = [] }));

        Assert.Equal(HboneFailure.TlsFailed, failure.Failure);
    }

    [Fact]
    public async Task Client_ServerOfAnotherAuthority_Fails()
    {
        await using var pair = new HbonePair(_client, _server) { ServerSvids = new HbonePair.Svids(new TestAuthority()) }.Start(Echo.HandleAsync);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Equal(HboneFailure.TlsFailed, failure.Failure);
        Assert.Contains("does not chain to our", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_NoCertificateToBeHad_SaysSo()
    {
        await using var pair = new HbonePair(_client, _server) { ClientSvids = new NoSvids() }.Start(Echo.HandleAsync);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Equal(HboneFailure.IdentityUnavailable, failure.Failure);
    }

    [Fact]
    public async Task Client_ConnectionRefused_IsNamed()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        await pair.Listener.DisposeAsync();

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Equal(HboneFailure.ConnectFailed, failure.Failure);
    }

    [Theory]
    [InlineData("no certificate")]
    [InlineData("TLS 1.2")]
    [InlineData("ALPN http/1.1")]
    [InlineData("ChaCha20")]
    public async Task Server_ForeignClientThatBreaksARule_IsRefused(string what)
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        using var socket = await Dial(pair.EndPoint);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        var options = ForeignClient(pair, what);

        var refused = false;
        try
        {
            await tls.AuthenticateAsClientAsync(options).WaitAsync(HbonePair.Patience);
            refused = await tls.ReadAsync(new byte[1]).AsTask().WaitAsync(HbonePair.Patience) == 0;
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            refused = true;
        }

        Assert.True(refused);
        var reason = (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason;
        Assert.NotEmpty(reason);
        Assert.True(what != "no certificate" || reason == "the peer presented no certificate", reason);
    }

    [Fact]
    public async Task Server_ForeignClientWithoutAlpn_IsServed()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        using var socket = await Dial(pair.EndPoint);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));

        await tls.AuthenticateAsClientAsync(ForeignClient(pair, "no ALPN")).WaitAsync(HbonePair.Patience);
        await tls.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0"u8.ToArray());
        var settings = new byte[9];
        await tls.ReadExactlyAsync(settings).AsTask().WaitAsync(HbonePair.Patience);

        Assert.Equal(TlsCipherSuite.TLS_AES_256_GCM_SHA384, tls.NegotiatedCipherSuite);
        Assert.Equal([0, 0, 24, 4, 0, 0, 0, 0, 0], settings);
    }

    [Fact]
    public async Task Server_PlainText_IsRefusedWithTheReason()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        using var socket = await Dial(pair.EndPoint);

        await socket.SendAsync("CONNECT 10.0.0.1:80 HTTP/1.1\r\n\r\n"u8.ToArray());
        var failure = await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience);

        Assert.Contains("TLS handshake failed", failure.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_SilentClient_IsNotWaitedForForever(bool afterTls)
    {
        await using var pair = new HbonePair(_client, _server) { ServerOptions = { HandshakeTimeout = TimeSpan.FromMilliseconds(300) } }.Start(Echo.HandleAsync);
        using var socket = await Dial(pair.EndPoint);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        if (afterTls)
        {
            try
            {
                await tls.AuthenticateAsClientAsync(ForeignClient(pair, "no ALPN")).WaitAsync(HbonePair.Patience);
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                // A busy machine may be slower than the deadline: refused all the same.
            }
        }

        var failure = await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience);

        Assert.Matches("took longer|no HTTP/2 preface", failure.Reason);
    }

    [Fact]
    public async Task Server_AddressWithoutAWorkload_IsRefused()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        var endPoint = (IPEndPoint)listening.LocalEndPoint!;
        var refused = new TaskCompletionSource<HboneHandshakeFailure>();
        await using var listener = new HboneListener(
            listening,
            new HboneServerOptions { HandshakeFailed = failure => refused.TrySetResult(failure) },
            new HbonePair.Svids(pair.Authority),
            (_, _) => new ValueTask<SpiffeId?>((SpiffeId?)null),
            Echo.HandleAsync);
        var running = listener.RunAsync();

        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync(pair.Request() with { NextHop = endPoint }));

        Assert.Contains("127.0.0.1", (await refused.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);
        await listener.DisposeAsync();
        await running.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    public async Task Listener_WhoseSocketDies_Fails()
    {
        var authority = new TestAuthority();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        await using var listener = new HboneListener(
            socket, new HboneServerOptions(), new HbonePair.Svids(authority), (_, _) => new ValueTask<SpiffeId?>((SpiffeId?)null), Echo.HandleAsync);
        var running = listener.RunAsync();

        socket.Dispose();

        await Assert.ThrowsAnyAsync<Exception>(() => running.WaitAsync(HbonePair.Patience));
    }

    private static X509Svid Issue(TestAuthority authority, SpiffeId id, string what)
    {
        var now = DateTimeOffset.UtcNow;
        return what switch
        {
            "another authority" => Mixed(new TestAuthority().Issue(id), authority),
            "another trust domain" => authority.Issue(SpiffeId.ForServiceAccount("other.example", "default", "sleep")),
            "expired" => authority.Issue(id, new TestCertificate { NotBefore = now.AddHours(-2), NotAfter = now.AddHours(-1) }),
            "not yet valid" => authority.Issue(id, new TestCertificate { NotBefore = now.AddHours(1), NotAfter = now.AddHours(2) }),
            "no URI SAN" => authority.Issue(id, new TestCertificate { Uris = [], DnsNames = ["sleep.default"] }),
            "two URI SANs" => authority.Issue(id, new TestCertificate { Uris = [id.ToString(), "spiffe://cluster.local/ns/a/sa/b"] }),
            "not SPIFFE" => authority.Issue(id, new TestCertificate { Uris = ["https://example.com/"] }),
            "server authentication only" => authority.Issue(id, new TestCertificate { ExtendedKeyUsages = [TestCertificate.ServerAuthentication] }),
            _ => throw new ArgumentException(what),
        };
    }

    // Their leaf, our roots: so that the client trusts the server, and only the server has a reason to refuse.
    private static X509Svid Mixed(X509Svid theirs, TestAuthority ours) => new(theirs.Id, theirs.Leaf, theirs.Intermediates, ours.Roots);

    private static async Task<Socket> Dial(IPEndPoint endPoint)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint);
        return socket;
    }

    private static SslClientAuthenticationOptions ForeignClient(HbonePair pair, string what)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "x",
            EnabledSslProtocols = what == "TLS 1.2" ? SslProtocols.Tls12 : SslProtocols.Tls13,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
            CipherSuitesPolicy = what == "ChaCha20" && !OperatingSystem.IsWindows() ? new CipherSuitesPolicy([TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256]) : null,
            ClientCertificateContext = what == "no certificate" ? null : pair.Authority.Issue(pair.ClientId).TlsContext,
        };
        options.ApplicationProtocols = what switch
        {
            "no ALPN" => null,
            "ALPN http/1.1" => [SslApplicationProtocol.Http11],
            _ => [SslApplicationProtocol.Http2],
        };
        return options;
    }

    private sealed class NoSvids : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => throw new SvidUnavailableException("the authority is away");
    }
}
