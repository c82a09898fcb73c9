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
