using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Certificates;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Connect;

/// <summary>TLS with an identity over a connection that carries no tunnel, against <see cref="SslStream"/>.</summary>
public sealed class IdentityTlsTests : IAsyncDisposable
{
    private static readonly SpiffeId s_client = SpiffeId.ForServiceAccount("cluster.local", "ns", "client");
    private static readonly SpiffeId s_server = SpiffeId.ForServiceAccount("cluster.local", "ns", "server");

    private readonly TestAuthority _authority = new();
    private readonly HboneClient _client;

    public IdentityTlsTests() => _client = new HboneClient(new HboneClientOptions { HandshakeTimeout = TimeSpan.FromSeconds(20) }, new HbonePair.Svids(_authority));

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Fact]
    public async Task BothAreWhoTheySay_AndServerNameAndProtocolsAreSent()
    {
        var (stream, serving) = await ConnectAsync(_authority.Issue(s_server));
        await using var tls = await _client.AuthenticateAsync(stream, Request(s_server));

        var server = await serving.WaitAsync(HbonePair.Patience);
        Assert.Equal(("outbound_.80_._.web", "istio"), (server!.TargetHostName, server.NegotiatedApplicationProtocol.ToString()));
        Assert.Equal(_authority.Issue(s_client).Leaf.Issuer, server.RemoteCertificate!.Issuer);
        await server.WriteAsync("hello"u8.ToArray());
        var read = new byte[5];
        await tls.ReadExactlyAsync(read).AsTask().WaitAsync(HbonePair.Patience);
        Assert.Equal("hello"u8.ToArray(), read);
        await server.DisposeAsync();
    }

    [Theory]
    [InlineData("other", "accepted here is spiffe://cluster.local/ns/ns/sa/server")]
    [InlineData("expired", "expired at")]
    [InlineData("strange", "does not chain to our 1 root(s)")]
    public async Task AnybodyElse_IsRefused(string who, string reason)
    {
        var svid = who switch
        {
            "other" => _authority.Issue(SpiffeId.ForServiceAccount("cluster.local", "ns", "other")),
            "expired" => _authority.IssueExpired(s_server),
            _ => new TestAuthority().Issue(s_server),
        };
        var (stream, serving) = await ConnectAsync(svid);

        var refused = await Assert.ThrowsAsync<HboneException>(() => _client.AuthenticateAsync(stream, Request(s_server)).AsTask());

        Assert.Equal(HboneFailure.TlsFailed, refused.Failure);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.False(stream.CanRead);
        if (await serving.WaitAsync(HbonePair.Patience) is { } server)
        {
            await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task WhoSpeaksNoTls_OrNothing_IsGivenUp()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((System.Net.IPEndPoint)listener.LocalEndpoint);
        using var accepted = await listener.AcceptTcpClientAsync();
        await accepted.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        var refused = await Assert.ThrowsAsync<HboneException>(() => _client.AuthenticateAsync(client.GetStream(), Request(s_server)).AsTask());
        Assert.Contains("no TLS with outbound_.80_._.web as spiffe://cluster.local/ns/ns/sa/client: the TLS handshake failed", refused.Message, StringComparison.Ordinal);

        await using var hasty = new HboneClient(new HboneClientOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(200) }, new HbonePair.Svids(_authority));
        using var silent = new TcpClient();
        await silent.ConnectAsync((System.Net.IPEndPoint)listener.LocalEndpoint);
        refused = await Assert.ThrowsAsync<HboneException>(() => hasty.AuthenticateAsync(silent.GetStream(), Request(s_server)).AsTask());
        Assert.Contains("took longer than 0.2 s", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutACertificate_TheConnectionIsLetGo()
    {
        await using var nobody = new HboneClient(new HboneClientOptions(), new Nothing());
        var (stream, serving) = await ConnectAsync(_authority.Issue(s_server));

        var refused = await Assert.ThrowsAsync<HboneException>(() => nobody.AuthenticateAsync(stream, Request(s_server)).AsTask());

        Assert.Equal(HboneFailure.IdentityUnavailable, refused.Failure);
        Assert.False(stream.CanRead);
        Assert.Null(await serving.WaitAsync(HbonePair.Patience));
    }

    private static IdentityTlsRequest Request(SpiffeId accepted) => new()
    {
        Source = s_client,
        AcceptedIdentities = [accepted],
        ServerName = "outbound_.80_._.web",
        Protocols = ["istio"],
    };

    /// <summary>A connection, and the server's side of its handshake; null: it failed.</summary>
    private static async Task<(NetworkStream Client, Task<SslStream?> Serving)> ConnectAsync(X509Svid svid)
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndpoint);
        var accepted = await listener.AcceptSocketAsync();
        return (new NetworkStream(client, ownsSocket: true), ServeAsync(new NetworkStream(accepted, ownsSocket: true), svid));
    }

    private static async Task<SslStream?> ServeAsync(NetworkStream stream, X509Svid svid)
    {
        var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = svid.TlsContext,
                EnabledSslProtocols = SslProtocols.Tls13,
                ClientCertificateRequired = true,
                ApplicationProtocols = [new("istio")],
                RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null,
            });
            return tls;
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            await tls.DisposeAsync();
            return null;
        }
    }

    private sealed class Nothing : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => throw new SvidUnavailableException("nobody signs");
    }
}
