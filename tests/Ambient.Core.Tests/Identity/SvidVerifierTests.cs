using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Identity;

public class SvidVerifierTests
{
    private static readonly TestAuthority Authority = new();
    private static readonly SpiffeId Sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public void Verify_GoodSvid_GivesItsIdentity(PeerRole role)
    {
        var answer = Verify(Authority.Issue(Sleep), role);

        Assert.True(answer.IsAccepted, answer.Reason);
        Assert.Equal(Sleep, answer.Id);
        Assert.Equal(SvidFailure.None, answer.Failure);
        Assert.Null(answer.Reason);
    }

    [Fact]
    [Trait("Reference", "test_workload_cert")]
    public void Verify_TwoIntermediates_AreFollowedInAnyOrder()
    {
        var svid = Authority.Intermediate().Intermediate().Issue(Sleep);
        Assert.Equal(2, svid.Intermediates.Length);

        Assert.True(Verify(svid).IsAccepted);
        var reversed = new X509Certificate2Collection(svid.Intermediates.Reverse().ToArray());
        Assert.True(SvidVerifier.Verify(svid.Leaf, reversed, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now).IsAccepted);
    }

    [Fact]
    public void Verify_MissingIntermediate_IsUntrusted()
    {
        var svid = Authority.Intermediate().Issue(Sleep);

        Refused(SvidFailure.Untrusted, SvidVerifier.Verify(svid.Leaf, null, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now));
    }

    [Fact]
    public void Verify_OtherRoot_IsUntrustedEvenWhenPresented()
    {
        var other = new TestAuthority();
        var svid = other.Issue(Sleep);
        X509Certificate2Collection presented = [.. other.Roots.Roots];

        Refused(SvidFailure.Untrusted, SvidVerifier.Verify(svid.Leaf, presented, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now));
    }

    [Fact]
    [Trait("Reference", "multi_root")]
    public void Verify_SecondRootOfABundle_IsTrusted()
    {
        var other = new TestAuthority();
        var both = new TrustBundle([.. Authority.Roots.Roots, .. other.Roots.Roots]);

        Assert.True(SvidVerifier.Verify(other.Issue(Sleep).Leaf, null, both, PeerRole.Client, SpiffeIdMatcher.Any, Now).IsAccepted);
        Assert.True(SvidVerifier.Verify(Authority.Issue(Sleep).Leaf, null, both, PeerRole.Client, SpiffeIdMatcher.Any, Now).IsAccepted);
    }

    [Fact]
    public void Verify_EmptyBundle_TrustsNobody() =>
        Refused(SvidFailure.Untrusted, SvidVerifier.Verify(Authority.Issue(Sleep).Leaf, null, new TrustBundle([]), PeerRole.Client, SpiffeIdMatcher.Any, Now));

    [SkippableFact]
    public void Verify_RootOfTheMachine_IsNotTrusted()
    {
        var bundle = "/etc/ssl/certs/ca-certificates.crt";
        Skip.IfNot(File.Exists(bundle), "this machine has no root store");
        var known = TrustBundle.Load(bundle).Roots[0];

        Refused(SvidFailure.Untrusted, SvidVerifier.Verify(known, null, Authority.Roots, PeerRole.Server, SpiffeIdMatcher.Any, Now));
    }

    [Fact]
    public void Verify_SelfSigned_IsUntrusted() => Refused(SvidFailure.Untrusted, Verify(Authority.IssueSelfSigned(Sleep)));

    [Fact]
    public void Verify_NoCertificate_IsRefused()
    {
        Refused(SvidFailure.NoCertificate, SvidVerifier.Verify(null, null, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now));
        Refused(SvidFailure.NoCertificate, SvidVerifier.Verify(null, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now));
    }

    [Fact]
    public void Verify_Expired_SaysSince() => Assert.Contains("expired at", Refused(SvidFailure.Expired, Verify(Authority.IssueExpired(Sleep))), StringComparison.Ordinal);

    [Fact]
    public void Verify_NotYetValid_AsksAboutClocks() =>
        Assert.Contains("clocks", Refused(SvidFailure.NotYetValid, Verify(Authority.IssueNotYetValid(Sleep))), StringComparison.Ordinal);

    [Fact]
    public void Verify_UsesTheTimeGiven()
    {
        var svid = Authority.IssueExpired(Sleep);

        Assert.True(SvidVerifier.Verify(svid.Leaf, null, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, svid.HalfLife).IsAccepted);
    }

    [Theory]
    [InlineData(PeerRole.Client, TestCertificate.ServerAuthentication)]
    [InlineData(PeerRole.Server, TestCertificate.ClientAuthentication)]
    [InlineData(PeerRole.Client, "1.3.6.1.5.5.7.3.3")]
    [InlineData(PeerRole.Client, "2.5.29.37.0")]
    public void Verify_ExtendedKeyUsageOfAnotherRole_IsRefused(PeerRole role, string usage) =>
        Refused(SvidFailure.ExtendedKeyUsage, Verify(Authority.Issue(Sleep, new TestCertificate { ExtendedKeyUsages = [usage] }), role));

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public void Verify_NoExtendedKeyUsage_IsAllowed(PeerRole role) =>
        Assert.True(Verify(Authority.Issue(Sleep, new TestCertificate { ExtendedKeyUsages = null }), role).IsAccepted);

    [Theory]
    [InlineData(X509KeyUsageFlags.KeyEncipherment, false)]
    [InlineData(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign, false)]
    [InlineData(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.CrlSign, false)]
    [InlineData(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, true)]
    public void Verify_KeyUsage_MustBeThatOfALeaf(X509KeyUsageFlags usage, bool accepted)
    {
        var answer = Verify(Authority.Issue(Sleep, new TestCertificate { KeyUsage = usage }));

        Assert.Equal(accepted ? SvidFailure.None : SvidFailure.KeyUsage, answer.Failure);
    }

    [Fact]
    public void Verify_NoKeyUsage_IsAllowed() => Assert.True(Verify(Authority.Issue(Sleep, new TestCertificate { KeyUsage = null })).IsAccepted);

    [Fact]
    public void Verify_LeafThatIsAnAuthority_IsRefused() =>
        Refused(SvidFailure.LeafIsAuthority, Verify(Authority.Issue(Sleep, new TestCertificate { IsAuthority = true })));

    [Fact]
    public void Verify_LeafSignedByALeaf_IsRefused()
    {
        var middle = Authority.Issue(Sleep);
        using var key = System.Security.Cryptography.ECDsa.Create();
        var request = new CertificateRequest("CN=forged", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        using var forged = request.Create(
            middle.Leaf.SubjectName,
            X509SignatureGenerator.CreateForECDsa(middle.Leaf.GetECDsaPrivateKey()!),
            Now.AddMinutes(-1),
            Now.AddMinutes(1),
            [1, 2, 3]);

        Assert.False(SvidVerifier.Verify(forged, [middle.Leaf], Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now).IsAccepted);
    }

    [Theory]
    [InlineData(SvidFailure.NoIdentity)]
    [InlineData(SvidFailure.ManyIdentities, "spiffe://cluster.local/ns/default/sa/sleep", "spiffe://cluster.local/ns/default/sa/admin")]
    [InlineData(SvidFailure.ManyIdentities, "spiffe://cluster.local/ns/default/sa/sleep", "https://example.org/")]
    [InlineData(SvidFailure.ManyIdentities, "spiffe://cluster.local/ns/default/sa/sleep", "spiffe://cluster.local/ns/default/sa/sleep")]
    [InlineData(SvidFailure.NotSpiffe, "https://example.org/ns/default/sa/sleep")]
    [InlineData(SvidFailure.NotSpiffe, "spiffe://cluster.local/ns/default/sa/sleep/")]
    [InlineData(SvidFailure.NotSpiffe, "spiffe://CLUSTER.local/ns/default/sa/sleep")]
    [InlineData(SvidFailure.NotSpiffe, "")]
    public void Verify_UriSans_ExactlyOneSpiffeId(SvidFailure failure, params string[] uris) =>
        Refused(failure, Verify(Authority.Issue(Sleep, new TestCertificate { Uris = [.. uris] })));

    [Fact]
    public void Verify_DnsNamesBesideTheUri_DoNotMatter() =>
        Assert.Equal(Sleep, Verify(Authority.Issue(Sleep, new TestCertificate { DnsNames = ["a.example", "b.example"] })).Id);

    [Fact]
    public void Verify_DnsNamesOnly_AreNoIdentity() =>
        Refused(SvidFailure.NoIdentity, Verify(Authority.Issue(Sleep, new TestCertificate { Uris = [], DnsNames = ["cluster.local"] })));

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Verify_SubjectAlternativeNameOfAnyBytes_IsRefusedWithoutException()
    {
        FuzzBudget.Run(200, random =>
        {
            var bytes = new byte[random.Next(0, 40)];
            random.NextBytes(bytes);
            if (bytes.Length > 2 && random.Next(2) == 0)
            {
                bytes[0] = 0x30;
                bytes[1] = (byte)(bytes.Length - 2);
                bytes[2] = 0x86;
            }

            var answer = Verify(Authority.Issue(Sleep, new TestCertificate { RawSubjectAlternativeName = [.. bytes] }));
            Assert.False(answer.IsAccepted);
            Assert.NotEmpty(answer.Reason);
        });
    }

    [Fact]
    public void Verify_TrustDomain_IsTheMatchersBusiness()
    {
        var foreign = Authority.Issue(SpiffeId.Parse("spiffe://other.domain/ns/default/sa/sleep"));
        var member = SpiffeIdMatcher.MemberOf(TrustDomain.Parse("cluster.local"));

        var reason = Refused(SvidFailure.NotAccepted, SvidVerifier.Verify(foreign.Leaf, null, Authority.Roots, PeerRole.Client, member, Now));
        Assert.Contains("spiffe://other.domain/ns/default/sa/sleep", reason, StringComparison.Ordinal);
        Assert.Contains("trust domain cluster.local", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_EmptyAcceptedSet_RefusesEverybody() =>
        Refused(SvidFailure.NotAccepted, SvidVerifier.Verify(Authority.Issue(Sleep).Leaf, null, Authority.Roots, PeerRole.Server, SpiffeIdMatcher.OneOf([]), Now));

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Verify_FlippedBits_NeverThrowNorPass()
    {
        var svid = Authority.Issue(Sleep);
        var good = svid.Leaf.RawData;
        FuzzBudget.Run(500, random =>
        {
            var bytes = (byte[])good.Clone();
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            X509Certificate2 mangled;
            try
            {
                mangled = X509CertificateLoader.LoadCertificate(bytes);
            }
            catch (System.Security.Cryptography.CryptographicException)
            {
                return;
            }

            Assert.False(SvidVerifier.Verify(mangled, null, Authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now).IsAccepted);
        });
    }

    private static SvidVerification Verify(X509Svid svid, PeerRole role = PeerRole.Client) =>
        SvidVerifier.Verify(svid.Leaf, [.. svid.Intermediates], Authority.Roots, role, SpiffeIdMatcher.Any, Now);

    private static string Refused(SvidFailure failure, SvidVerification answer)
    {
        Assert.False(answer.IsAccepted);
        Assert.Null(answer.Id);
        Assert.True(failure == answer.Failure, $"{failure} expected, and got {answer.Failure}: {answer.Reason}");
        return answer.Reason;
    }
}
