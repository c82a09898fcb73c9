using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Identity;

public sealed class RevocationTests
{
    private readonly TestAuthority _root = new();
    private readonly TestAuthority _intermediate;
    private readonly X509Svid _leaf;

    public RevocationTests()
    {
        _intermediate = _root.Intermediate();
        _leaf = _intermediate.Issue("default", "sleep");
    }

    [Fact]
    [Trait("Reference", "test_crl_manager_valid_crl")]
    [Trait("Reference", "test_crl_manager_empty_file")]
    [Trait("Reference", "parse_cert_matches_webpki_crl_encoding")]
    public void Lists_AreReadFromPemAndDer_WithWhateverStandsBetween()
    {
        var first = _intermediate.Revoke(_leaf.Leaf);
        var second = _root.Revoke(_intermediate.Certificate);
        var pem = Parse($"\n{first}{_leaf.Leaf.ExportCertificatePem()}\n{second}");
        Assert.Equal((2, 2), (pem.Lists, pem.Count));

        var der = Convert.FromBase64String(string.Concat(first.Split('\n').Where(line => !line.StartsWith('-'))));
        var one = RevocationLists.Parse(der);
        Assert.Equal((1, 1), (one.Lists, one.Count));
        Assert.Equal(_leaf.Leaf.SerialNumber, one.FindRevoked(Path(_leaf))!.SerialNumber);

        Assert.Equal(0, Parse("").Count);
        Assert.Equal(0, Parse(" \n").Count);
        Assert.Equal(0, Parse(_leaf.Leaf.ExportCertificatePem()).Count);
    }

    [Theory]
    [Trait("Reference", "test_crl_manager_invalid_file")]
    [InlineData("garbage")]
    [InlineData("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")]
    [InlineData("-----BEGIN X509 CRL-----\nAAAA\n")]
    public void WhatIsNoList_IsSaid(string content) => Assert.Throws<FormatException>(() => Parse(content));

    [Fact]
    [Trait("Reference", "index_closes_connection_on_leaf_revocation")]
    [Trait("Reference", "index_closes_leaf_revoked_by_its_ia")]
    public void RevokedLeaf_EndsItsConnection_AndNobodyElses()
    {
        var revocation = new PeerRevocation();
        var other = _intermediate.Issue("default", "other");
        var ended = Watch(revocation, _leaf, other);

        revocation.Replace(Parse(_intermediate.Revoke(_leaf.Leaf)));

        Assert.Equal([true, false], ended);
    }

    [Theory]
    [Trait("Reference", "index_bulk_drops_subtree_on_ia_revocation")]
    [Trait("Reference", "index_bulk_drop_all_leaves_under_revoked_ia")]
    [Trait("Reference", "index_bulk_drop_through_multiple_ia_levels")]
    [InlineData(false)]
    [InlineData(true)]
    public void RevokedIntermediate_EndsAllUnderIt(bool deeper)
    {
        var lower = deeper ? _intermediate.Intermediate() : _intermediate;
        var revocation = new PeerRevocation();
        var ended = Watch(revocation, lower.Issue("default", "a"), lower.Issue("default", "b"), _root.Intermediate().Issue("default", "c"));

        revocation.Replace(Parse(_root.Revoke(_intermediate.Certificate)));

        Assert.Equal([true, true, false], ended);
    }

    [Fact]
    [Trait("Reference", "index_register_self_check_closes_already_revoked")]
    [Trait("Reference", "index_register_self_check_no_op_when_not_revoked")]
    [Trait("Reference", "revoked_after_reload_decision")]
    public void ListsThatCameBetweenHandshakeAndRegistration_AreAsked()
    {
        var revocation = new PeerRevocation();
        Assert.False(revocation.Refuses(Path(_leaf), PeerRole.Client, out _));
        revocation.Replace(Parse(_intermediate.Revoke(_leaf.Leaf)));

        Assert.Equal([true, false], Watch(revocation, _leaf, _intermediate.Issue("default", "other")));
    }

    [Fact]
    [Trait("Reference", "index_dn_collision_only_revoked_subtree_drops")]
    public void ListOfAnotherAuthority_SaysNothing()
    {
        var revocation = new PeerRevocation();
        var ended = Watch(revocation, _leaf);

        // Signed by somebody else, in whatever name.
        revocation.Replace(Parse(new TestAuthority().Revoke(_leaf.Leaf)));
        Assert.Equal([false], ended);

        var forged = Convert.FromBase64String(string.Concat(_intermediate.Revoke(_leaf.Leaf).Split('\n').Where(line => !line.StartsWith('-'))));
        forged[^1] ^= 1;
        revocation.Replace(RevocationLists.Parse(forged));
        Assert.Equal([false], ended);
    }

    [Fact]
    [Trait("Reference", "index_routes_by_verified_path_ignoring_presented_junk_intermediate")]
    public void Path_IsTheOneThatWasVerified_NotWhatWasPresented()
    {
        var junk = new TestAuthority();
        using var chain = new X509Chain { ChainPolicy = SvidVerifier.CreateChainPolicy(_root.Roots, PeerRole.Client, TimeProvider.System.GetUtcNow()) };
        chain.ChainPolicy.ExtraStore.AddRange((X509Certificate2[])[junk.Certificate, .. _leaf.Intermediates]);
        Assert.True(chain.Build(_leaf.Leaf));
        var revocation = new PeerRevocation();
        var ended = false;
        using var registration = revocation.Register(VerifiedPath.Of(chain), PeerRole.Client, () => ended = true);

        revocation.Replace(Parse(junk.Revoke(_leaf.Leaf)));
        Assert.False(ended);
        revocation.Replace(Parse(_intermediate.Revoke(_leaf.Leaf)));
        Assert.True(ended);
    }

    [Fact]
    [Trait("Reference", "index_insert_and_deregister_prunes")]
    public void ConnectionThatEnded_IsNotEndedAgain_AndRevokedOnesOnce()
    {
        var revocation = new PeerRevocation();
        var (calls, rejected) = (0, 0);
        revocation.Rejected = _ => rejected++;
        var gone = revocation.Register(Path(_leaf), PeerRole.Client, () => calls++);
        gone.Dispose();
        using var live = revocation.Register(Path(_leaf), PeerRole.Client, () => calls++);

        revocation.Replace(Parse(_intermediate.Revoke(_leaf.Leaf)));
        revocation.Replace(Parse(_intermediate.Revoke(_leaf.Leaf, _intermediate.Issue("default", "x").Leaf)));

        Assert.Equal((1, 1), (calls, rejected));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Lists_OfAnyBytes_AreReadOrRefused()
    {
        var good = Convert.FromBase64String(string.Concat(_intermediate.Revoke(_leaf.Leaf).Split('\n').Where(line => !line.StartsWith('-'))));
        FuzzBudget.Run(5000, random =>
        {
            try
            {
                RevocationLists.Parse(Damage.Of(good, random)).FindRevoked(Path(_leaf));
            }
            catch (FormatException)
            {
            }
        });
    }

    private VerifiedPath Path(X509Svid svid) => VerifiedPath.Of([svid.Leaf, .. svid.Intermediates, _root.Certificate]);

    private bool[] Watch(PeerRevocation revocation, params X509Svid[] peers)
    {
        var ended = new bool[peers.Length];
        for (var i = 0; i < peers.Length; i++)
        {
            var index = i;
            revocation.Register(Path(peers[i]), PeerRole.Client, () => ended[index] = true);
        }

        return ended;
    }

    private static RevocationLists Parse(string text) => RevocationLists.Parse(Encoding.ASCII.GetBytes(text));
}
