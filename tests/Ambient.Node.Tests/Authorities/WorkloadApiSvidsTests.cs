using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Protos.Spiffe;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;

namespace Ambient.Node.Tests.Authorities;

/// <summary>What is taken of a Workload API's answer, and what is not.</summary>
public sealed class WorkloadApiSvidsTests
{
    private static readonly SpiffeId s_sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private static readonly SpiffeId s_web = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/web");
    private readonly TestAuthority _signer = new();

    [Fact]
    public void Answer_ReplacesTheOneBefore_AndWhatIsTheSameStaysTheSameObject()
    {
        var sleep = WorkloadApiServer.Of(_signer.Issue(s_sleep));
        var before = Read(WorkloadApiSvids.None, sleep, WorkloadApiServer.Of(_signer.Issue(s_web)));

        var now = Read(before, WorkloadApiServer.Of(_signer.Issue("default", "third")), sleep.Clone());

        Assert.Same(before.ById[s_sleep], now.ById[s_sleep]);
        Assert.Equal(["third"], now.ChangedSince(before).Select(id => id.ServiceAccount));
        Assert.Equal(s_web, Assert.Single(now.MissingSince(before)));
        Assert.Empty(now.Refused);
    }

    [Fact]
    public void RootsAlone_ThatChange_MakeAnotherSvid()
    {
        var sleep = WorkloadApiServer.Of(_signer.Issue(s_sleep));
        var before = Read(WorkloadApiSvids.None, sleep);
        var both = sleep.Clone();
        both.Bundle = ByteString.CopyFrom([.. sleep.Bundle.Span, .. new TestAuthority().Certificate.RawData]);

        var now = Read(before, both);

        Assert.Equal(s_sleep, Assert.Single(now.ChangedSince(before)));
        Assert.Equal(2, now.ById[s_sleep].Svid.Roots.Roots.Length);
        Assert.Equal(before.ById[s_sleep].Svid.Leaf.RawData, now.ById[s_sleep].Svid.Leaf.RawData);
    }

    [Fact]
    public void RootsOfManySvids_AreHeldOnce()
    {
        var svids = Read(WorkloadApiSvids.None, WorkloadApiServer.Of(_signer.Issue(s_sleep)), WorkloadApiServer.Of(_signer.Issue(s_web)));

        Assert.Same(svids.ById[s_sleep].Svid.Roots, svids.ById[s_web].Svid.Roots);
    }

    [Fact]
    public void SeveralOfOneIdentity_TheFirstIsUsed()
    {
        var first = _signer.Issue(s_sleep);
        var answer = WorkloadApiServer.Answer(first, _signer.Issue(s_sleep));
        answer.Svids[0].Hint = "internal";
        answer.Svids[1].Hint = "external";

        var svids = WorkloadApiSvids.Read(answer, WorkloadApiSvids.None, DateTimeOffset.UtcNow);

        Assert.Equal(first.Leaf.RawData, svids.ById[s_sleep].Svid.Leaf.RawData);
        Assert.Empty(svids.Refused);
    }

    [Theory]
    [InlineData("no name", "SPIFFE ID \"\"")]
    [InlineData("bad name", "SPIFFE ID \"spiffe://cluster.local/ns//sa/sleep\"")]
    [InlineData("other name", "its certificate is for spiffe://cluster.local/ns/default/sa/web")]
    [InlineData("other trust domain", "its certificate is for spiffe://elsewhere/ns/default/sa/sleep")]
    [InlineData("no certificate", "no DER certificate found")]
    [InlineData("broken certificate", "DER certificate 1 cannot be read")]
    [InlineData("no key", "the private key cannot be read or is not the leaf's")]
    [InlineData("broken key", "the private key cannot be read or is not the leaf's")]
    [InlineData("other's key", "the private key cannot be read or is not the leaf's")]
    [InlineData("no roots", "its roots cannot be read: no DER certificate found")]
    [InlineData("broken roots", "its roots cannot be read: DER certificate 2 cannot be read")]
    [InlineData("expired", "its certificate ended at")]
    [InlineData("two names", "2 URI SANs")]
    public void Garbage_IsRefusedWithTheReason_AndTakesNothingElseWithIt(string fault, string reason)
    {
        var before = Read(WorkloadApiSvids.None, WorkloadApiServer.Of(_signer.Issue(s_sleep)));
        var good = _signer.Issue(s_sleep);
        var bad = WorkloadApiServer.Of(good);
        switch (fault)
        {
            case "no name":
                bad.SpiffeId = "";
                break;
            case "bad name":
                bad.SpiffeId = "spiffe://cluster.local/ns//sa/sleep";
                break;
            case "other name":
                bad = WorkloadApiServer.Of(_signer.Issue(s_web));
                bad.SpiffeId = s_sleep.ToString();
                break;
            case "other trust domain":
                bad = WorkloadApiServer.Of(new TestAuthority("elsewhere").Issue("default", "sleep"));
                bad.SpiffeId = s_sleep.ToString();
                break;
            case "no certificate":
                bad.X509Svid = ByteString.Empty;
                break;
            case "broken certificate":
                bad.X509Svid = ByteString.CopyFrom(bad.X509Svid.Span[..^1]);
                break;
            case "no key":
                bad.X509SvidKey = ByteString.Empty;
                break;
            case "broken key":
                bad.X509SvidKey = ByteString.CopyFrom(bad.X509SvidKey.Span[1..]);
                break;
            case "other's key":
                bad.X509SvidKey = WorkloadApiServer.Of(_signer.Issue(s_sleep)).X509SvidKey;
                break;
            case "no roots":
                bad.Bundle = ByteString.Empty;
                break;
            case "broken roots":
                bad.Bundle = ByteString.CopyFrom([.. bad.Bundle.Span, .. bad.Bundle.Span[..100]]);
                break;
            case "expired":
                bad = WorkloadApiServer.Of(_signer.IssueExpired(s_sleep));
                break;
            default:
                bad = WorkloadApiServer.Of(_signer.Issue(s_sleep, new TestCertificate { Uris = [s_sleep.ToString(), s_web.ToString()] }));
                break;
        }

        var now = Read(before, bad, WorkloadApiServer.Of(_signer.Issue(s_web)));

        Assert.Contains(reason, Assert.Single(now.Refused).Reason, StringComparison.Ordinal);
        Assert.True(now.ById.ContainsKey(s_web));

        // Whose it would have been is known unless the name is at fault: then the last good one stays.
        Assert.Equal(!fault.EndsWith(" name", StringComparison.Ordinal) || fault == "other name", now.ById.ContainsKey(s_sleep));
        Assert.Equal(s_web, Assert.Single(now.ChangedSince(before)));
    }

    [Fact]
    public void LastGoodOne_StaysOnlyWhileItIsValid()
    {
        var before = Read(WorkloadApiSvids.None, WorkloadApiServer.Of(_signer.Issue(s_sleep)));
        var broken = WorkloadApiServer.Of(_signer.Issue(s_sleep));
        broken.X509SvidKey = ByteString.Empty;
        var answer = new X509SVIDResponse { Svids = { broken } };

        Assert.Same(before.ById[s_sleep], WorkloadApiSvids.Read(answer, before, DateTimeOffset.UtcNow).ById[s_sleep]);
        Assert.Empty(WorkloadApiSvids.Read(answer, before, DateTimeOffset.UtcNow.AddHours(2)).ById);
    }

    [Fact]
    public void EmptyAnswer_AndOneThatIsTooLong_AreRefusedWhole()
    {
        var before = Read(WorkloadApiSvids.None, WorkloadApiServer.Of(_signer.Issue(s_sleep)));
        var tooMany = new X509SVIDResponse();
        tooMany.Svids.AddRange(Enumerable.Repeat(new X509SVID(), 10_001));

        foreach (var (answer, count) in new[] { (new X509SVIDResponse(), "0"), (tooMany, "10001") })
        {
            var now = WorkloadApiSvids.Read(answer, before, DateTimeOffset.UtcNow);
            Assert.Equal(before.ById, now.ById);
            Assert.Contains($"with {count} SVIDs", Assert.Single(now.Refused).Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void FederatedBundles_MakeNobodyTrusted()
    {
        var partner = new TestAuthority("partner.example");
        var answer = WorkloadApiServer.Answer(_signer.Issue(s_sleep));
        answer.FederatedBundles["spiffe://partner.example"] = ByteString.CopyFrom(partner.Certificate.RawData);

        var svid = WorkloadApiSvids.Read(answer, WorkloadApiSvids.None, DateTimeOffset.UtcNow).ById[s_sleep].Svid;

        Assert.Equal(_signer.Certificate.RawData, Assert.Single(svid.Roots.Roots).RawData);
        var theirs = partner.Issue("default", "sleep");
        var verification = SvidVerifier.Verify(theirs.Leaf, [.. theirs.Intermediates], svid.Roots, PeerRole.Client, SpiffeIdMatcher.OneOf([theirs.Id]), DateTimeOffset.UtcNow);
        Assert.Equal(SvidFailure.Untrusted, verification.Failure);
    }

    private static WorkloadApiSvids Read(WorkloadApiSvids before, params IEnumerable<X509SVID> svids) =>
        WorkloadApiSvids.Read(new X509SVIDResponse { Svids = { svids } }, before, DateTimeOffset.UtcNow);
}
