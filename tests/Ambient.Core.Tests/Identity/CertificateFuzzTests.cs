using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Identity;

/// <summary>Certificates, keys and bundles as files and authorities give them, bent: they are read, or refused with the one exception that says why.</summary>
public sealed class CertificateFuzzTests
{
    private static readonly TestAuthority s_authority = new TestAuthority().Intermediate();
    private static readonly X509Svid s_svid = s_authority.Issue("default", "sleep");
    private static readonly string[] s_fragments = ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----", "-----BEGIN EC PRIVATE KEY-----", "====", "MII", "\0", "\r\n"];

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Pem_Damaged_IsReadOrRefused()
    {
        var (chain, key, roots) = (s_svid.ChainToPem(), s_svid.ExportPrivateKeyPem(), s_svid.Roots.ToPem());
        var refused = 0;
        FuzzBudget.Run(1000, random =>
        {
            try
            {
                var bundle = TrustBundle.FromPem(random.Next(3) == 0 ? Damage.Of(roots, random, s_fragments) : roots);
                X509Svid.FromPem(random.Next(2) == 0 ? Damage.Of(chain, random, s_fragments) : chain, random.Next(3) == 0 ? Damage.Of(key, random, s_fragments) : key, bundle);
            }
            catch (FormatException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }
        });
        Assert.True(refused > 0);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Der_Damaged_IsReadOrRefused()
    {
        using var own = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(s_svid.Leaf);
        var key = own!.ExportPkcs8PrivateKey();
        byte[] chain = [.. s_svid.Leaf.RawData, .. s_svid.Intermediates.SelectMany(certificate => certificate.RawData)];
        byte[] roots = [.. s_svid.Roots.Roots.SelectMany(root => root.RawData)];
        var refused = 0;
        FuzzBudget.Run(1000, random =>
        {
            try
            {
                var bundle = TrustBundle.FromDer(random.Next(3) == 0 ? Damage.Of(roots, random) : roots);
                X509Svid.FromDer(random.Next(2) == 0 ? Damage.Of(chain, random) : chain, random.Next(3) == 0 ? Damage.Of(key, random) : key, bundle);
            }
            catch (FormatException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }
        });
        Assert.True(refused > 0);
    }
}
