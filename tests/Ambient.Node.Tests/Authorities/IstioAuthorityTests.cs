using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.ControlPlane;
using Ambient.Node.Protos.Ca;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Authorities;

/// <summary>The client of Istio's certificate service against a real gRPC server over TLS.</summary>
public sealed class IstioAuthorityTests
{
    private static readonly SpiffeId Sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");

    [Fact]
    [Trait("Reference", "fetch_certificate")]
    [Trait("Reference", "test_csr")]
    public async Task Issue_AsksForTheIdentity_AndReadsLeafIntermediateAndRoots()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        var signer = new Signer();
        server.Certificates.Answer = signer.Answer;
        using var authority = Authority(server, impersonate: true);

        var svid = await authority.IssueAsync(Sleep);

        Assert.Equal(Sleep, svid.Id);
        Assert.True(svid.Leaf.HasPrivateKey);
        Assert.Single(svid.Intermediates);
        Assert.Equal(2, svid.Roots.Roots.Length);
        var (request, headers) = Assert.Single(server.Certificates.Requests);
        Assert.Equal(3600, request.ValidityDuration);
        Assert.Equal(Sleep.ToString(), request.Metadata.Fields["ImpersonatedIdentity"].StringValue);
        Assert.Equal("c1", headers.GetValue("clusterid"));
        var csr = CertificateRequest.LoadSigningRequestPem(request.Csr, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions);
        Assert.Empty(csr.SubjectName.Name);
        var san = Assert.Single(csr.CertificateExtensions);
        Assert.Equal(("2.5.29.17", true), (san.Oid!.Value, san.Critical));
    }

    [Fact]
    public async Task Issue_ForOurselves_NamesNobodyElse()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Certificates.Answer = new Signer().Answer;
        using var authority = Authority(server, impersonate: false);

        await authority.IssueAsync(Sleep);

        Assert.Null(Assert.Single(server.Certificates.Requests).Request.Metadata);
    }

    [Fact]
    [Trait("Reference", "empty_chain")]
    public async Task EmptyChain_AndALeafAlone_AreErrors()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        using var authority = Authority(server, impersonate: true);
        var empty = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));
        Assert.Contains("chain returned from CA is empty", empty.Message, StringComparison.Ordinal);

        var signer = new Signer();
        server.Certificates.Answer = request => new IstioCertificateResponse { CertChain = { signer.Answer(request).CertChain[0] } };
        var alone = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));
        Assert.Contains("no root certificate present", alone.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "wrong_identity")]
    public async Task CertificateOfAnotherIdentity_IsRefused()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Certificates.Answer = new Signer { Identity = "spiffe://cluster.local/ns/default/sa/other" }.Answer;
        using var authority = Authority(server, impersonate: true);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));

        Assert.Contains("other", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CaThatRefuses_IsQuotedWithItsCode()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Certificates.Answer = static _ => throw new RpcException(new Status(StatusCode.Unauthenticated, "not on this node"));
        using var authority = Authority(server, impersonate: true);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));

        Assert.StartsWith("signing gRPC error (Unauthenticated): not on this node", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "take_dirty_and_make_dirty_work")]
    public async Task RootFileThatChanges_IsUsedForTheNextCall()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        await using var other = await ControlPlaneServer.StartAsync();
        server.Certificates.Answer = new Signer().Answer;
        var roots = Path.Combine(server.Folder, "roots.pem");
        File.Copy(other.RootFile, roots);
        using var authority = Authority(server, impersonate: true, roots);
        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));
        Assert.Contains("is not trusted", e.Message, StringComparison.Ordinal);

        File.Copy(server.RootFile, roots, overwrite: true);
        Assert.Equal(Sleep, (await authority.IssueAsync(Sleep)).Id);

        // A file that is being written must not stop what works.
        await File.WriteAllTextAsync(roots, "half of a certific");
        Assert.Equal(Sleep, (await authority.IssueAsync(Sleep)).Id);
    }

    [Fact]
    public async Task MissingTokenFile_IsNamed()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Certificates.Answer = static _ => throw new RpcException(new Status(StatusCode.Unauthenticated, "who are you"));
        var options = new ControlPlaneOptions { Name = "CA", Address = server.Address, Roots = server.RootFile };

        Assert.Equal(
            "signing gRPC error (Unauthenticated): who are you (no token was sent, for there is no file ./var/run/secrets/tokens/istio-token: "
            + "mount a service account token with the audience istio-ca there, or set AUTH_TOKEN)",
            await RefusalAsync(options));
        Assert.Contains("(there is no file /var/run/none, so its name was sent as the token: mount the token there,", await RefusalAsync(options with { Token = "/var/run/none" }), StringComparison.Ordinal);
        Assert.EndsWith("(the token that was sent is the value of AUTH_TOKEN itself)", await RefusalAsync(options with { Token = "s3cret" }), StringComparison.Ordinal);

        static async Task<string> RefusalAsync(ControlPlaneOptions options)
        {
            using var authority = new IstioAuthority(options, TimeSpan.FromHours(1), true, NullLogger.Instance);
            return (await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep))).Message;
        }
    }

    [Fact]
    public async Task CaThatDoesNotAnswer_IsSaidOnce()
    {
        // Takes connections, and says nothing, not even of TLS.
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        await using var server = await ControlPlaneServer.StartAsync();
        var address = new Uri($"https://localhost:{((System.Net.IPEndPoint)silent.LocalEndpoint).Port}");
        using var authority = new IstioAuthority(
            new ControlPlaneOptions { Name = "CA", Address = address, Roots = server.RootFile }, TimeSpan.FromHours(1), true, NullLogger.Instance);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));

        Assert.Equal($"CA server {address.Authority} does not answer", e.Message);
        await using var cache = new SvidCache(authority, new SvidCacheOptions { FetchTimeout = TimeSpan.FromSeconds(1) });
        var late = await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(Sleep));
        Assert.Equal($"no certificate for {Sleep}: no answer within 1 s", late.Message);
    }

    /// <summary>istiod dates back by two minutes: what lives no longer than that is past its half from the beginning.</summary>
    [Theory]
    [InlineData(60)]
    [InlineData(120)]
    [InlineData(240)]
    public async Task ShortLivedCertificates_AreNotAskedForWithoutEnd(int lifetime)
    {
        await using var server = await ControlPlaneServer.StartAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var signer = new CertificateSigner(new TestAuthority(lifetime: TimeSpan.FromSeconds(lifetime), timeProvider: time), backdated: TimeSpan.FromMinutes(2));
        server.Certificates.Answer = signer.Answer;
        using var authority = Authority(server, impersonate: true);
        await using var cache = new SvidCache(authority, null, time);
        await cache.GetSvidAsync(Sleep);
        var begin = signer.Signed.Count;

        // Four lives, second by second; what is asked for meanwhile is answered before time goes on.
        for (var second = 0; second < 4 * lifetime; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            for (var tries = 0; server.Certificates.Requests.Length != signer.Signed.Count || cache.Snapshot()[0].Svid!.NotAfter <= time.GetUtcNow() || tries == 0; tries++)
            {
                Assert.True(tries < 1000, "no certificate came");
                await Task.Delay(tries == 0 ? 1 : 10);
            }

            Assert.Equal("Available", cache.Snapshot()[0].State);
        }

        // Renewed before the end of each, but a few times in a life at most.
        Assert.InRange(signer.Signed.Count - begin, 4, 17);
    }

    private static IstioAuthority Authority(ControlPlaneServer server, bool impersonate, string? roots = null) => new(
        new ControlPlaneOptions { Name = "CA", Address = server.Address, Roots = roots ?? server.RootFile, ClusterId = "c1" },
        TimeSpan.FromHours(1),
        impersonate,
        NullLogger.Instance);

    /// <summary>Signs what it is asked to, by an intermediate; answers with a second root that has nothing to do with it, as during a rotation.</summary>
    private sealed class Signer
    {
        private readonly TestAuthority _root = new();
        private readonly TestAuthority _otherRoot = new();

        public string? Identity { get; init; }

        public IstioCertificateResponse Answer(IstioCertificateRequest request)
        {
            var csr = CertificateRequest.LoadSigningRequestPem(request.Csr, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions);
            var asked = SpiffeId.Parse(Identity ?? Uri(csr));
            var intermediate = _root.Intermediate();
            var svid = SignerOf(intermediate, asked, csr);
            return new IstioCertificateResponse
            {
                CertChain = { svid.Leaf, svid.Intermediate, _root.Roots.ToPem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + _otherRoot.Roots.ToPem() },
            };
        }

        private static (string Leaf, string Intermediate) SignerOf(TestAuthority authority, SpiffeId id, CertificateRequest csr)
        {
            var (leaf, chain) = authority.Sign(id, csr.PublicKey);
            return (leaf.ExportCertificatePem() + "\n", chain.ExportCertificatePem() + "\n");
        }

        private static string Uri(CertificateRequest csr)
        {
            var raw = csr.CertificateExtensions[0].RawData;
            return System.Text.Encoding.ASCII.GetString(raw, 4, raw.Length - 4);
        }
    }
}
