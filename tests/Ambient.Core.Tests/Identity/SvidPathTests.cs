using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Identity;

/// <summary>What a stranger's certificates make us compute, and that a path found by us is judged as the platform's chain engine judges it.</summary>
public sealed class SvidPathTests
{
    private static readonly SpiffeId Sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    [Fact]
    public void Stranger_EightSelfMadeAuthorities_CostsNoSignature()
    {
        var roots = new TestAuthority().Roots;
        var stranger = LongChain.Create(Sleep, 8, roots);

        var answer = Verify(stranger, roots, out var signatures);

        Assert.Equal(SvidFailure.Untrusted, answer.Failure);
        Assert.Equal(0, signatures);
    }

    [Fact]
    public void Stranger_EightAuthoritiesUnderTheNameOfOurRoot_CostOneSignatureWithOurKey()
    {
        var authority = new TestAuthority();
        var root = authority.Roots.Roots[0];
        var stranger = new Forgery(root.SubjectName).Under(8);
        var keys = new List<X509Certificate2>();

        var answer = SvidVerifier.Verify(
            stranger.Leaf, [.. stranger.Others], authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now, (signature, issuer) => Record(keys, signature, issuer), out _);

        Assert.Equal(SvidFailure.BadChain, answer.Failure);
        Assert.Equal(root.RawData, Assert.Single(keys).RawData);
    }

    [Fact]
    public void Stranger_UnderAnAuthorityOfOurs_EndsAtItsOwnFirstCertificate()
    {
        // The authority's certificate is no secret: whoever connects is shown it.
        var authority = new TestAuthority();
        var middle = authority.Intermediate();
        var stranger = new Forgery(middle.Certificate.SubjectName).Under(6);
        var keys = new List<X509Certificate2>();

        var answer = SvidVerifier.Verify(
            stranger.Leaf,
            [.. stranger.Others, middle.Certificate],
            authority.Roots,
            PeerRole.Client,
            SpiffeIdMatcher.Any,
            Now,
            (signature, issuer) => Record(keys, signature, issuer),
            out _);

        Assert.Equal(SvidFailure.BadChain, answer.Failure);
        Assert.Equal([authority.Certificate.RawData, middle.Certificate.RawData], keys.Select(key => key.RawData));
    }

    [Fact]
    public void Stranger_AuthoritiesThatAllHaveOneName_CostAFewSignaturesWithOurKey()
    {
        // Any of them may have issued any other: the ways through them would be as many as their orders.
        var authority = new TestAuthority();
        var root = authority.Roots.Roots[0];
        var stranger = new Forgery(root.SubjectName).AllAlike(8);
        var keys = new List<X509Certificate2>();

        var answer = SvidVerifier.Verify(
            stranger.Leaf, [.. stranger.Others], authority.Roots, PeerRole.Client, SpiffeIdMatcher.Any, Now, (signature, issuer) => Record(keys, signature, issuer), out _);

        Assert.False(answer.IsAccepted);
        Assert.InRange(keys.Count, 1, 3);
        Assert.All(keys, key => Assert.Equal(root.RawData, key.RawData));
    }

    [Theory]
    [InlineData("expired")]
    [InlineData("nobody")]
    [InlineData("another")]
    [InlineData("authority")]
    public void Member_WhatIsWrongWithoutLookingAtSignatures_CostsNone(string what)
    {
        var authority = new TestAuthority();
        var svid = what switch
        {
            "expired" => authority.IssueExpired(Sleep),
            "nobody" => authority.Issue(Sleep, new TestCertificate { Uris = [] }),
            "another" => authority.Issue(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/other")),
            _ => authority.Issue(Sleep, new TestCertificate { IsAuthority = true }),
        };

        var answer = Verify(svid, authority.Roots, out var signatures);

        Assert.False(answer.IsAccepted);
        Assert.Equal(0, signatures);
    }

    [Fact]
    public void Member_RootsOfOneNameAndOtherKeys_IsFoundUnderItsOwn()
    {
        // A root that was replaced keeps its name: nothing tells the two apart where there are no key identifiers.
        var name = new X500DistinguishedName("O=cluster.local");
        var (old, present) = (new Forgery(name, isRoot: true), new Forgery(name, isRoot: true));
        var roots = new TrustBundle([old.Root!, present.Root!]);

        var answer = SvidVerifier.Verify(present.Issue(Sleep), null, roots, PeerRole.Client, SpiffeIdMatcher.Any, Now, out var path);

        Assert.True(answer.IsAccepted, answer.Reason);
        Assert.Equal(present.Root!.RawData, Assert.Single(path!.Links).Authority.RawData);
    }

    [Theory]
    [InlineData("RSA-PSS")]
    [InlineData("RSA")]
    [InlineData("P-384")]
    [InlineData("P-521")]
    public void Member_SignedInAnyOfTheUsualWays_IsAccepted(string how)
    {
        var root = new Forgery(new X500DistinguishedName("CN=root"), isRoot: true, how);

        var answer = SvidVerifier.Verify(root.Issue(Sleep), null, new TrustBundle([root.Root!]), PeerRole.Client, SpiffeIdMatcher.Any, Now);

        Assert.True(answer.IsAccepted, answer.Reason);
    }

    [Theory]
    [InlineData("RSA-1024")]
    [InlineData("secp256k1")]
    public void Member_KeyOfAnotherKind_IsRefusedByName(string how)
    {
        var root = new Forgery(new X500DistinguishedName("CN=root"), isRoot: true);
        using AsymmetricAlgorithm key = how == "RSA-1024" ? RSA.Create(1024) : ECDsa.Create(ECCurve.CreateFromFriendlyName("secp256k1"));

        var answer = SvidVerifier.Verify(root.Issue(Sleep, key), null, new TrustBundle([root.Root!]), PeerRole.Client, SpiffeIdMatcher.Any, Now);

        Assert.Equal(SvidFailure.BadChain, answer.Failure);
        Assert.Contains("has a key that is not accepted", answer.Reason, StringComparison.Ordinal);
    }

    /// <summary>Chains that are right or wrong in one of many ways: accepted by us exactly when the platform accepts them, for the same kind of reason.</summary>
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Path_OfAnyShape_IsJudgedAsThePlatformJudgesIt()
    {
        FuzzBudget.Run(150, random =>
        {
            var (leaf, others, roots, shape) = RandomChain.Make(random, Sleep);
            var role = random.Next(2) == 0 ? PeerRole.Client : PeerRole.Server;
            using var chain = new X509Chain { ChainPolicy = SvidVerifier.CreateChainPolicy(roots, role, Now) };
            chain.ChainPolicy.ExtraStore.AddRange(others.ToArray());
            chain.Build(leaf);
            var platform = SvidVerifier.Verify(chain, roots, role, SpiffeIdMatcher.Any, Now);

            var ours = SvidVerifier.Verify(leaf, [.. others], roots, role, SpiffeIdMatcher.Any, Now);

            Assert.True(platform.IsAccepted == ours.IsAccepted, $"{shape}: the platform says {platform}, we say {ours}");
            if (shape.Count(c => c == '+') <= 1)
            {
                Assert.True(platform.Failure == ours.Failure, $"{shape}: the platform says {platform.Failure}: {platform}, we say {ours.Failure}: {ours}");
            }
        });
    }

    private static SvidVerification Verify(X509Svid svid, TrustBundle roots, out int signatures)
    {
        var count = 0;
        var answer = SvidVerifier.Verify(
            svid.Leaf, [.. svid.Intermediates], roots, PeerRole.Client, SpiffeIdMatcher.Exactly(Sleep), Now, (signature, issuer) => ++count > 0 && signature.IsBy(issuer), out _);
        signatures = count;
        return answer;
    }

    private static bool Record(List<X509Certificate2> keys, DerSignature signature, X509Certificate2 issuer)
    {
        keys.Add(issuer);
        return signature.IsBy(issuer);
    }
}
