using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Core.Tests.Identity;

/// <summary>SVIDs and bundles from DER, as a SPIFFE Workload API gives them.</summary>
public sealed class X509SvidTests
{
    private static readonly SpiffeId s_id = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private static readonly TestAuthority s_authority = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void FromDer_LeafIntermediateAndKey_IsTheSvid(bool rsa)
    {
        var made = s_authority.Intermediate().Issue(s_id, new TestCertificate { Rsa = rsa });

        var read = X509Svid.FromDer(Chain(made), Key(made), TrustBundle.FromDer(Roots(s_authority, new TestAuthority())));

        Assert.Equal(s_id, read.Id);
        Assert.Equal(made.Leaf.RawData, read.Leaf.RawData);
        Assert.Equal(made.Intermediates[0].RawData, Assert.Single(read.Intermediates).RawData);
        Assert.Equal(2, read.Roots.Roots.Length);
        Assert.Equal((made.NotBefore, made.NotAfter), (read.NotBefore, read.NotAfter));
        Assert.Equal(Key(made), Key(read));
        Assert.NotNull(read.TlsContext);
    }

    [Fact]
    public void FromPem_OfAnRsaSvid_IsTheSvid()
    {
        var made = s_authority.Issue(s_id, new TestCertificate { Rsa = true });

        var read = X509Svid.FromPem(made.ChainToPem(), made.ExportPrivateKeyPem(), made.Roots);

        Assert.Equal(made.Leaf.RawData, read.Leaf.RawData);
        Assert.Equal(Key(made), Key(read));
    }

    [Theory]
    [InlineData("nothing", "no DER certificate found")]
    [InlineData("text", "DER certificate 1 cannot be read")]
    [InlineData("half", "DER certificate 1 cannot be read")]
    [InlineData("tail", "DER certificate 2 cannot be read")]
    [InlineData("shell", "DER certificate 1 cannot be read")]
    [InlineData("many", "more than 1024 certificates")]
    public void FromDer_CertificatesThatCannotBeRead_SaysWhich(string fault, string reason)
    {
        var svid = s_authority.Issue(s_id);
        byte[] chain = fault switch
        {
            "nothing" => [],
            "text" => Encoding.ASCII.GetBytes(svid.ChainToPem()),
            "half" => svid.Leaf.RawData[..^1],
            "tail" => [.. svid.Leaf.RawData, 0],
            "shell" => [0x30, 0x03, 0x02, 0x01, 0x00],
            _ => [.. Enumerable.Repeat(svid.Leaf.RawData, 1025).SelectMany(bytes => bytes)],
        };

        var ofSvid = Assert.Throws<FormatException>(() => X509Svid.FromDer(chain, Key(svid), svid.Roots));
        var ofBundle = Assert.Throws<FormatException>(() => TrustBundle.FromDer(chain));

        Assert.Contains(reason, ofSvid.Message, StringComparison.Ordinal);
        Assert.Contains(reason, ofBundle.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("another's")]
    [InlineData("another curve's")]
    [InlineData("RSA")]
    [InlineData("longer")]
    [InlineData("shorter")]
    [InlineData("encrypted")]
    [InlineData("SEC 1")]
    [InlineData("none")]
    public void FromDer_KeyThatIsNotTheLeafs_IsRefusedWithoutShowingIt(string fault)
    {
        var svid = s_authority.Issue(s_id);
        using var own = svid.Leaf.GetECDsaPrivateKey()!;
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var rsa = RSA.Create(2048);
        byte[] key = fault switch
        {
            "another's" => Key(s_authority.Issue(s_id)),
            "another curve's" => curve.ExportPkcs8PrivateKey(),
            "RSA" => rsa.ExportPkcs8PrivateKey(),
            "longer" => [.. Key(svid), 0],
            "shorter" => Key(svid)[..^1],
            "encrypted" => own.ExportEncryptedPkcs8PrivateKey("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 1)),
            "SEC 1" => own.ExportECPrivateKey(),
            _ => [],
        };

        var e = Assert.Throws<FormatException>(() => X509Svid.FromDer(svid.Leaf.RawData, key, svid.Roots));

        Assert.StartsWith("the private key cannot be read or is not the leaf's", e.Message, StringComparison.Ordinal);
        var secret = own.ExportParameters(true).D!;
        Assert.DoesNotContain(Convert.ToHexString(secret), e.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Convert.ToBase64String(secret), e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void FromDer_EllipticKeyForAnRsaLeaf_IsRefused()
    {
        var svid = s_authority.Issue(s_id, new TestCertificate { Rsa = true });

        Assert.Throws<FormatException>(() => X509Svid.FromDer(svid.Leaf.RawData, Key(s_authority.Issue(s_id)), svid.Roots));
        Assert.Throws<FormatException>(() => X509Svid.FromDer(svid.Leaf.RawData, Key(s_authority.Issue(s_id, new TestCertificate { Rsa = true })), svid.Roots));
    }

    [Fact]
    public void FromDer_LeafThatIsNoSvid_SaysWhy()
    {
        AssertNoSvid(new TestCertificate { Uris = [] }, "no URI SAN");
        AssertNoSvid(new TestCertificate { Uris = [s_id.ToString(), "spiffe://cluster.local/other"] }, "2 URI SANs");
        AssertNoSvid(new TestCertificate { Uris = ["https://cluster.local/"] }, "no SPIFFE ID");
        AssertNoSvid(new TestCertificate { RawSubjectAlternativeName = [0x30, 0x80] }, "the leaf");
        AssertNoSvid(new TestCertificate { RawSubjectAlternativeName = [0x30, 0x05, 0x86, 0x01, 0x61] }, "the leaf");
    }

    [Fact]
    public void FromDer_AnyByteOfALeafChanged_IsReadOrAFormatException()
    {
        var svid = s_authority.Issue(s_id);
        var key = Key(svid);
        for (var i = 0; i < svid.Leaf.RawData.Length; i++)
        {
            foreach (byte change in (ReadOnlySpan<byte>)[0x01, 0x80])
            {
                var leaf = svid.Leaf.RawData;
                leaf[i] ^= change;
                if (Record.Exception(() => X509Svid.FromDer(leaf, key, svid.Roots)) is { } e)
                {
                    Assert.IsType<FormatException>(e);
                }
            }
        }
    }

    private static void AssertNoSvid(TestCertificate shape, string reason)
    {
        var svid = s_authority.Issue(s_id, shape);
        var e = Assert.Throws<FormatException>(() => X509Svid.FromDer(svid.Leaf.RawData, Key(svid), svid.Roots));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    private static byte[] Chain(X509Svid svid) => [.. svid.Leaf.RawData, .. svid.Intermediates.SelectMany(certificate => certificate.RawData)];

    private static byte[] Roots(params IEnumerable<TestAuthority> authorities) => [.. authorities.SelectMany(authority => authority.Certificate.RawData)];

    private static byte[] Key(X509Svid svid)
    {
        using var key = (AsymmetricAlgorithm?)svid.Leaf.GetECDsaPrivateKey() ?? svid.Leaf.GetRSAPrivateKey()!;
        return key.ExportPkcs8PrivateKey();
    }
}
