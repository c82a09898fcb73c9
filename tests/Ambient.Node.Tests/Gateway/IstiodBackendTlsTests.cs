using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography.X509Certificates;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Node.Tests.Requests;
using TrustChain = Ambient.Node.Protos.Envoy.CertificateValidationContext.Types.TrustChainVerification;

namespace Ambient.Node.Tests.Gateway;

/// <summary>TLS to backends as istiod's clusters say it, at a gateway and at a waypoint, against a real TLS server: whom it is asked for, whose certificate is taken, and what is shown.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class IstiodBackendTlsTests : IAsyncLifetime
{
    private const int Port = 8080;
    private const string Root = "kubernetes://root-cacert";
    private const string Own = "kubernetes://own";

    private readonly string _files = Directory.CreateTempSubdirectory("ambient-istiod-tls-").FullName;
    private IstiodEdge _edge = null!;

    public async Task InitializeAsync()
    {
        _edge = await IstiodEdge.OpenAsync();
        _edge.SetListener(Port, _edge.Chain(443));
        await File.WriteAllTextAsync(FileOf("ca.pem"), _edge.Authority.ExportCertificatePem());
        await File.WriteAllTextAsync(FileOf("broken.pem"), "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n");
    }

    public async Task DisposeAsync()
    {
        await _edge.DisposeAsync();
        Directory.Delete(_files, recursive: true);
    }

    [Theory]
    [InlineData(Root, "abc.example", null, "sni=abc.example ")]
    [InlineData(Root, "", "abc.example", $"sni={IstiodEdge.Host} ")]
    [InlineData(Root, "other.example", null, null)]
    [InlineData(Root, "other.example", "abc.example", "sni=other.example ")]
    [InlineData(Root, "other.example", "spiffe://abc.example/backend", "sni=other.example ")]
    [InlineData(Root, "abc.example", "no.example", null)]
    [InlineData(Root, "", null, null)]
    [InlineData("kubernetes://stranger-cacert", "abc.example", null, null)]
    [InlineData("kubernetes://missing-cacert", "abc.example", null, null)]
    [InlineData("configmap://ns/root-cacert", "abc.example", null, "sni=abc.example ")]
    [InlineData("file-root:FILES/ca.pem", "abc.example", null, "sni=abc.example ")]
    [InlineData("file-root:FILES/broken.pem", "abc.example", null, null)]
    [InlineData("file-root:FILES/missing.pem", "abc.example", null, null)]
    [InlineData("file-root:system", "abc.example", null, null)]
    [InlineData("file-root:", "abc.example", null, null)]
    [InlineData("ROOTCA", "abc.example", null, null)]
    public async Task Certificate_IsTaken_FromTheAuthoritiesThatAreNamed_ForTheNamesThatAre(string authorities, string sni, string? name, string? seen)
    {
        await StartAsync(Tls(authorities, sni, name));

        await AssertAsync(seen);
    }

    [Theory]
    [InlineData(Own, "CN=own")]
    [InlineData("file-cert:FILES/own.pem~FILES/own.key", "CN=own")]
    [InlineData("kubernetes://missing", null)]
    [InlineData("file-cert:FILES/own.pem~FILES/missing.key", null)]
    [InlineData("file-cert:FILES/own.pem~FILES/broken.pem", null)]
    [InlineData("file-cert:FILES/own.pem", null)]
    [InlineData("default", null)]
    [InlineData(null, null)]
    public async Task CertificateOfOurOwn_IsShown(string? certificate, string? shown)
    {
        using var own = TestCertificates.Leaf(_edge.Authority, "own", ["own.example"]);
        _edge.SetCertificate(Own, own);
        await File.WriteAllTextAsync(FileOf("own.pem"), own.ExportCertificatePem());
        await File.WriteAllTextAsync(FileOf("own.key"), TestCertificates.KeyOf(own));
        var tls = Tls(Root, "abc.example", null);
        if (certificate is not null)
        {
            tls.CommonTlsContext.TlsCertificateSdsSecretConfigs.Add(IstiodEdge.Sds(Placed(certificate)));
        }

        await StartAsync(tls, asksClient: true);

        await AssertAsync(shown is null ? null : $" client={shown} ");
    }

    [Fact]
    public async Task SecretsThatComeLate_AreAwaited_AndFollowed_AndNothingGoesInClear()
    {
        var tls = Tls(Root, "abc.example", null);
        tls.CommonTlsContext.TlsCertificateSdsSecretConfigs.Add(IstiodEdge.Sds(Own));
        _edge.Istiod.Remove(EnvoyTypes.Secret, Root);
        await StartAsync(tls, asksClient: true, hasSecrets: false);
        await AssertAsync(null);

        using var own = TestCertificates.Leaf(_edge.Authority, "own", ["own.example"]);
        _edge.SetAuthorities(Root, _edge.Authority);
        await _edge.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Secret && request.ResponseNonce.Length > 0);
        await AssertAsync(null);
        _edge.SetCertificate(Own, own);
        Assert.Contains(" client=CN=own ", (await EventuallyAsync(answer => answer.Status == 200)).Body, StringComparison.Ordinal);

        using var renewed = TestCertificates.Leaf(_edge.Authority, "renewed", ["own.example"]);
        _edge.SetCertificate(Own, renewed);
        Assert.Contains(" client=CN=renewed ", (await EventuallyAsync(answer => answer.Body.Contains("renewed", StringComparison.Ordinal))).Body, StringComparison.Ordinal);

        _edge.SetAuthorities(Root, _edge.Stranger);
        Assert.Equal(503, (await EventuallyAsync(answer => answer.Status == 503)).Status);
        _edge.SetAuthorities(Root, _edge.Stranger, _edge.Authority);
        Assert.Equal(200, (await EventuallyAsync(answer => answer.Status == 200)).Status);
        _edge.Istiod.Remove(EnvoyTypes.Secret, Own);
        Assert.Equal(503, (await EventuallyAsync(answer => answer.Status == 503)).Status);
    }

    [Theory]
    [InlineData("", "sni= ")]
    [InlineData("abc.example", "sni=abc.example ")]
    public async Task InsecureSkipVerify_TakesWhateverIsShown(string sni, string seen)
    {
        // So istiod writes it: a validation context with nothing in it.
        await StartAsync(new UpstreamTlsContext { Sni = sni, CommonTlsContext = new() { ValidationContext = new() } }, _edge.Stranger);

        await AssertAsync(seen);
    }

    [Fact]
    public async Task UntrustedCertificate_IsTaken_WhereTheClusterSaysSo()
    {
        var tls = Tls(Root, "abc.example", "no.example");
        tls.CommonTlsContext.CombinedValidationContext.DefaultValidationContext.TrustChainVerification = TrustChain.AcceptUntrusted;

        await StartAsync(tls, _edge.Stranger);

        await AssertAsync("sni=abc.example ");
    }

    [Theory]
    [InlineData("names without authorities", "authorities that are not named")]
    [InlineData("no check", "no check of the endpoint's certificate")]
    [InlineData("prefix of a name", "a comparison of names that is not known")]
    [InlineData("two certificates", "several certificates")]
    [InlineData("cipher suites", "cipher suites")]
    [InlineData("unknown field", "a field that is not known")]
    public async Task WhatIsNotUnderstood_IsNamedToIstiod_AndNothingIsSent(string what, string said)
    {
        var tls = Tls(Root, "abc.example", "abc.example");
        var common = tls.CommonTlsContext;
        switch (what)
        {
            case "names without authorities":
                common.ValidationContext = common.CombinedValidationContext.DefaultValidationContext.Clone();
                break;
            case "no check":
                common.CombinedValidationContext = null;
                break;
            case "prefix of a name":
                common.CombinedValidationContext.DefaultValidationContext.MatchSubjectAltNames.Add(new StringMatcher { Prefix = "abc" });
                break;
            case "two certificates":
                common.TlsCertificateSdsSecretConfigs.Add([IstiodEdge.Sds(Own), IstiodEdge.Sds(Root)]);
                break;
            case "cipher suites":
                common.TlsParams = new() { CipherSuites = { "ECDHE-RSA-AES128-GCM-SHA256" } };
                break;
            default:
                tls.MergeFrom(new Google.Protobuf.CodedInputStream([0xf8, 0x3f, 0x01]));
                break;
        }

        await StartAsync(tls);

        await AssertAsync(null);
        var answer = await _edge.Discovery.WaitAsync(request => request.TypeUrl == EnvoyTypes.Cluster && request.ErrorDetail is not null);
        Assert.Contains(said, answer.ErrorDetail.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waypoint_MakesItToo()
    {
        await using var waypoint = await IstiodEdge.OpenAsync(isGateway: false);
        waypoint.SetAuthorities(Root, waypoint.Authority);
        using var certificate = TestCertificates.Leaf(waypoint.Authority, "backend", ["abc.example"]);
        using var own = TestCertificates.Leaf(waypoint.Authority, "own", ["own.example"]);
        await waypoint.AddBackendAsync(certificate, waypoint.Authority);
        waypoint.SetCertificate(Own, own);
        var tls = Tls(Root, "abc.example", null);
        tls.CommonTlsContext.TlsCertificateSdsSecretConfigs.Add(IstiodEdge.Sds(Own));
        waypoint.SetCluster(443, tls);
        waypoint.Istiod.Set(EnvoyTypes.Listener, EnvoyKit.Tunnels(), EnvoyKit.Services(("10.9.0.1", 443, EnvoyKit.Chain(IstiodEdge.Host, 443))));
        await waypoint.StartAsync();
        var service = waypoint.Mesh.Store.Current.Services[$"ns/{IstiodEdge.Host}"];
        using var client = waypoint.Mesh.Through(waypoint.Mesh.Store.Current.Workloads["self"], TestMesh.Id("caller"), service, 443);

        using var answer = await ManifestGateway.EventuallyAsync(() => client.GetAsync(new Uri("/", UriKind.Relative)), answer => (int)answer.StatusCode == 200);

        Assert.StartsWith("tls sni=abc.example client=CN=own ", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static UpstreamTlsContext Tls(string authorities, string sni, string? name)
    {
        var validation = new CertificateValidationContext();
        if (name is not null)
        {
            validation.MatchSubjectAltNames.Add(new StringMatcher { Exact = name });
        }

        return new UpstreamTlsContext
        {
            Sni = sni,
            CommonTlsContext = new()
            {
                TlsParams = new() { TlsMinimumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv12, TlsMaximumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv13 },
                CombinedValidationContext = new() { DefaultValidationContext = validation, ValidationContextSdsSecretConfig = IstiodEdge.Sds(authorities) },
            },
        };
    }

    private async Task StartAsync(UpstreamTlsContext tls, X509Certificate2? authority = null, bool asksClient = false, bool hasSecrets = true)
    {
        if (hasSecrets)
        {
            _edge.SetAuthorities(Root, _edge.Authority);
            _edge.SetAuthorities("configmap://ns/root-cacert", _edge.Authority);
            _edge.SetAuthorities("kubernetes://stranger-cacert", _edge.Stranger);
        }

        foreach (var secret in new[] { tls.CommonTlsContext.CombinedValidationContext?.ValidationContextSdsSecretConfig }.OfType<SdsSecretConfig>())
        {
            secret.Name = Placed(secret.Name);
        }

        using var certificate = TestCertificates.Leaf(authority ?? _edge.Authority, "backend", ["abc.example"], uri: "spiffe://abc.example/backend");
        await _edge.AddBackendAsync(X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null), asksClient ? _edge.Authority : null);
        _edge.SetCluster(443, tls);
        await _edge.StartAsync();
    }

    /// <summary>What the backend must have seen, or that nothing reached it.</summary>
    private async Task AssertAsync(string? seen)
    {
        // Secrets follow clusters on the stream: an answer may be before them.
        var answer = seen is null ? await _edge.GetAsync(Port) : await EventuallyAsync(answer => answer.Status == 200);
        Assert.Equal(seen is null ? 503 : 200, answer.Status);
        if (seen is not null)
        {
            Assert.StartsWith("tls ", answer.Body, StringComparison.Ordinal);
            Assert.Contains(seen, answer.Body, StringComparison.Ordinal);
        }
    }

    private Task<(int Status, string Body)> EventuallyAsync(Func<(int Status, string Body), bool> wanted) => ManifestGateway.EventuallyAsync(() => _edge.GetAsync(Port), wanted);

    private string Placed(string name) => name.Replace("FILES", _files, StringComparison.Ordinal);

    private string FileOf(string name) => Path.Combine(_files, name);
}
