using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Requests;
using Google.Protobuf;
using TrustChain = Ambient.Node.Protos.Envoy.CertificateValidationContext.Types.TrustChainVerification;

namespace Ambient.Node.Tests.Gateway;

/// <summary>A gateway's TLS as istiod's listeners and secrets say it, over a delta ADS stream: what is shown to whom, and what becomes of it as secrets come, change and go.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class IstiodListenerTlsTests : IAsyncLifetime
{
    private const int Port = 8443;
    private const string One = "kubernetes-gateway://app/one";
    private const string Two = "kubernetes-gateway://app/two";
    private const string Clients = "kubernetes-gateway://app/one-cacert";

    private IstiodEdge _edge = null!;

    public async Task InitializeAsync()
    {
        _edge = await IstiodEdge.OpenAsync();
        await _edge.AddClearBackendAsync();
    }

    public async Task DisposeAsync() => await _edge.DisposeAsync();

    [Fact]
    public async Task ServerName_SelectsTheCertificate()
    {
        Show(One, "one");
        Show(Two, "two");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One), _edge.TlsChain("*.two.example", Two));
        await _edge.StartAsync();

        Assert.Equal("CN=one", await ShownAsync("one.example"));
        Assert.Equal("CN=two", await ShownAsync("a.two.example"));
        Assert.Null(await ShownAsync("none.example"));
    }

    [Fact]
    public async Task Rotated_IsShownFromThenOn_AndWhatIsOpenGoesOn()
    {
        Show(One, "one");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One));
        await _edge.StartAsync();
        await using var open = await _edge.ConnectAsync("one.example", Port);
        Assert.Equal("CN=one", open.RemoteCertificate!.Subject);

        Show(One, "renewed");

        Assert.Equal("CN=renewed", await EventuallyAsync("one.example", "CN=renewed"));
        Assert.StartsWith("HTTP/1.1 200 ", await RawExchange.AskAsync(open, "GET / HTTP/1.1\nhost: one.example\n\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SecretThatComesLate_IsAwaited_ByItsOwnConnectionsAlone()
    {
        Show(One, "one");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One), _edge.TlsChain("two.example", Two));
        _edge.SetListener(Port + 1, _edge.TlsChain(null, Two));
        await _edge.StartAsync(untilReady: false);

        Assert.Equal("CN=one", await EventuallyAsync("one.example", "CN=one"));
        Assert.Null(await ShownAsync("two.example"));

        // Nothing is shown at this port, and nothing is said in clear.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(_edge.Address, Port + 1));
        Assert.Contains(Two, (await _edge.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Secret && request.ResourceNamesSubscribe.Contains(Two))).ResourceNamesSubscribe);

        Show(Two, "two");

        Assert.Equal("CN=two", await EventuallyAsync("two.example", "CN=two"));
        Assert.Equal("CN=two", await EventuallyAsync("any.example", "CN=two", Port + 1));
    }

    [Fact]
    public async Task SecretThatGoes_IsNotShownAnyMore_AndOthersAre()
    {
        Show(One, "one");
        Show(Two, "two");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One), _edge.TlsChain("two.example", Two));
        await _edge.StartAsync();
        Assert.Equal("CN=two", await ShownAsync("two.example"));

        _edge.Istiod.Remove(EnvoyTypes.Secret, Two);

        Assert.Null(await EventuallyAsync("two.example", null));
        Assert.Equal("CN=one", await ShownAsync("one.example"));
    }

    [Fact]
    public async Task SecretThatCannotBeUsed_IsRefused_AndTheOneBeforeStays()
    {
        Show(One, "one");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One));
        await _edge.StartAsync();

        // A key that is another's: nothing of it may be in what is said.
        using var other = TestCertificates.Leaf(_edge.Authority, "other", ["one.example"]);
        using var certificate = TestCertificates.Leaf(_edge.Authority, "broken", ["one.example"]);
        _edge.Istiod.Set(EnvoyTypes.Secret, XdsKit.Of(One, EnvoyTypes.Secret, new Secret
        {
            Name = One, TlsCertificate = new() { CertificateChain = new() { InlineString = certificate.ExportCertificatePem() }, PrivateKey = new() { InlineString = TestCertificates.KeyOf(other) } },
        }));

        var refused = await _edge.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Secret && request.ErrorDetail is not null);
        Assert.Equal($"{One}: tls.key has no key that fits the certificate", refused.ErrorDetail.Message);
        Assert.Equal("CN=one", await ShownAsync("one.example"));

        Show(One, "mended");
        Assert.Equal("CN=mended", await EventuallyAsync("one.example", "CN=mended"));
    }

    [Theory]
    [InlineData(true, "ours", true)]
    [InlineData(true, "theirs", false)]
    [InlineData(true, null, false)]
    [InlineData(false, "ours", true)]
    [InlineData(false, "theirs", false)]
    [InlineData(false, null, true)]
    public async Task Client_IsAskedForACertificate_OfTheAuthoritiesThatASecretHas(bool isRequired, string? presented, bool isLetIn)
    {
        Show(One, "one");
        _edge.SetAuthorities(Clients, _edge.Authority);
        _edge.SetListener(Port, _edge.TlsChain("one.example", One, more: tls => Validate(tls, isRequired)));
        await _edge.StartAsync();
        using var client = presented is null ? null : TestCertificates.Leaf(presented == "ours" ? _edge.Authority : _edge.Stranger, "client", ["client.example"]);

        Assert.Equal(isLetIn ? "CN=one" : null, await ShownAsync("one.example", client: client));
    }

    [Theory]
    [InlineData("client.example", true)]
    [InlineData("other.example", false)]
    public async Task Client_MustHaveOneOfTheNames(string name, bool isLetIn)
    {
        Show(One, "one");
        _edge.SetAuthorities(Clients, _edge.Authority);
        _edge.SetListener(Port, _edge.TlsChain("one.example", One, more: tls => Validate(tls, isRequired: true, context => context.MatchTypedSubjectAltNames.Add(
            new SubjectAltNameMatcher { SanType = SubjectAltNameMatcher.Types.SanType.Dns, Matcher = new() { Exact = name } }))));
        await _edge.StartAsync();
        using var client = TestCertificates.Leaf(_edge.Authority, "client", ["client.example"]);

        Assert.Equal(isLetIn ? "CN=one" : null, await ShownAsync("one.example", client: client));
    }

    [Fact]
    public async Task AuthoritiesThatComeLate_AreAwaited_AndFollowed()
    {
        Show(One, "one");
        Show(Two, "two");
        _edge.SetListener(Port, _edge.TlsChain("one.example", One, more: tls => Validate(tls, isRequired: true)), _edge.TlsChain("two.example", Two));
        await _edge.StartAsync(untilReady: false);
        using var ours = TestCertificates.Leaf(_edge.Authority, "client", ["client.example"]);
        using var theirs = TestCertificates.Leaf(_edge.Stranger, "client", ["client.example"]);
        Assert.Equal("CN=two", await EventuallyAsync("two.example", "CN=two"));
        Assert.Null(await ShownAsync("one.example", client: ours));

        _edge.SetAuthorities(Clients, _edge.Authority);
        Assert.Equal("CN=one", await EventuallyAsync("one.example", "CN=one", client: ours));
        Assert.Null(await ShownAsync("one.example", client: theirs));

        _edge.SetAuthorities(Clients, _edge.Stranger);
        Assert.Equal("CN=one", await EventuallyAsync("one.example", "CN=one", client: theirs));
        Assert.Null(await ShownAsync("one.example", client: ours));

        _edge.Istiod.Remove(EnvoyTypes.Secret, Clients);
        Assert.Null(await EventuallyAsync("one.example", null, client: theirs));
    }

    [Fact]
    public async Task UntrustedClient_IsLetIn_WhereTheListenerTakesWhateverIsShown()
    {
        Show(One, "one");
        _edge.SetAuthorities(Clients, _edge.Authority);
        _edge.SetListener(Port, _edge.TlsChain(null, One, more: tls => Validate(tls, isRequired: true, context => context.TrustChainVerification = TrustChain.AcceptUntrusted)));
        await _edge.StartAsync();
        using var theirs = TestCertificates.Leaf(_edge.Stranger, "client", ["client.example"]);

        Assert.Equal("CN=one", await ShownAsync("one.example", client: theirs));
    }

    private static void Validate(DownstreamTlsContext tls, bool isRequired, Action<CertificateValidationContext>? more = null)
    {
        var context = new CertificateValidationContext();
        more?.Invoke(context);
        tls.RequireClientCertificate = isRequired;
        tls.CommonTlsContext.CombinedValidationContext = new() { DefaultValidationContext = context, ValidationContextSdsSecretConfig = new() { Name = Clients, SdsConfig = new() { Ads = ByteString.Empty } } };
    }

    private void Show(string secret, string subject)
    {
        using var certificate = TestCertificates.Leaf(_edge.Authority, subject, ["one.example", "two.example", "*.two.example"]);
        _edge.SetCertificate(secret, certificate);
    }

    private Task<string?> ShownAsync(string serverName, int port = Port, X509Certificate2? client = null) => _edge.ShownAsync(serverName, port, client);

    private Task<string?> EventuallyAsync(string serverName, string? expected, int port = Port, X509Certificate2? client = null) =>
        ManifestGateway.EventuallyAsync(() => ShownAsync(serverName, port, client), shown => shown == expected);
}
