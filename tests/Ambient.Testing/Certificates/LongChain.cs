using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Testing.Certificates;

/// <summary>A chain that nobody trusts and that is dear to verify: what an attacker presents before it is authenticated.</summary>
public static class LongChain
{
    /// <summary>Makes one: a leaf of an identity under so many self-made intermediates with P-521 keys.</summary>
    /// <param name="id">What the leaf claims to be.</param>
    /// <param name="length">Intermediates.</param>
    /// <param name="roots">Roots of the SVID that is returned, with which its user verifies others.</param>
    public static X509Svid Create(SpiffeId id, int length, TrustBundle roots)
    {
        ArgumentNullException.ThrowIfNull(id);
        var now = DateTimeOffset.UtcNow;
        var chain = new List<X509Certificate2>();
        var signer = Authority(0, null, now);
        for (var i = 0; i < length; i++)
        {
            signer = Authority(i + 1, signer, now);
            chain.Insert(0, X509CertificateLoader.LoadCertificate(signer.RawData));
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        var request = new CertificateRequest("CN=leaf", key, HashAlgorithmName.SHA512);
        request.CertificateExtensions.Add(SvidCertificate.UriSan(id.ToString()));
        using var leaf = request.Create(signer, now.AddMinutes(-1), now.AddHours(1), SvidCertificate.NewSerial());
        return new X509Svid(id, leaf.CopyWithPrivateKey(key), [.. chain], roots);
    }

    private static X509Certificate2 Authority(int number, X509Certificate2? parent, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        var request = new CertificateRequest($"CN=a{number}", key, HashAlgorithmName.SHA512);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (parent is null)
        {
            return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        }

        using var signed = request.Create(parent, now.AddHours(-20), now.AddHours(20), SvidCertificate.NewSerial());
        return signed.CopyWithPrivateKey(key);
    }
}
