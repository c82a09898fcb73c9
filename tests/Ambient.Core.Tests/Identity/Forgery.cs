using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Core.Tests.Identity;

/// <summary>Certificates of an authority that calls itself what it likes.</summary>
internal sealed class Forgery
{
    private static readonly DateTimeOffset s_from = DateTimeOffset.UtcNow.AddHours(-1);
    private static readonly DateTimeOffset s_until = DateTimeOffset.UtcNow.AddHours(1);
    private readonly X500DistinguishedName _name;
    private readonly X509SignatureGenerator _signer;

    public Forgery(X500DistinguishedName name, bool isRoot = false, string how = "P-256")
    {
        _name = name;
        (var request, _signer) = NewAuthority(name, how);
        if (isRoot)
        {
            Root = request.Create(name, _signer, s_from, s_until, SvidCertificate.NewSerial());
        }
    }

    /// <summary>Its own certificate.</summary>
    public X509Certificate2? Root { get; }

    /// <summary>A leaf under so many authorities, the topmost of which claims to be issued by the name.</summary>
    public (X509Certificate2 Leaf, List<X509Certificate2> Others) Under(int authorities)
    {
        var others = new List<X509Certificate2>();
        var (above, signer) = (_name, _signer);
        for (var i = 0; i < authorities; i++)
        {
            var name = new X500DistinguishedName($"CN=a{i}");
            var (request, own) = NewAuthority(name, "P-521");
            others.Insert(0, request.Create(above, signer, s_from, s_until, SvidCertificate.NewSerial()));
            (above, signer) = (name, own);
        }

        return (Leaf(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep"), above, signer, null), others);
    }

    /// <summary>A leaf, and authorities that all have the name as subject and as issuer.</summary>
    public (X509Certificate2 Leaf, List<X509Certificate2> Others) AllAlike(int authorities)
    {
        var others = new List<X509Certificate2>();
        for (var i = 0; i < authorities; i++)
        {
            others.Add(NewAuthority(_name, "P-521").Request.Create(_name, _signer, s_from, s_until, SvidCertificate.NewSerial()));
        }

        return (Leaf(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep"), _name, _signer, null), others);
    }

    /// <summary>A leaf directly under it.</summary>
    public X509Certificate2 Issue(SpiffeId id, AsymmetricAlgorithm? key = null) => Leaf(id, _name, _signer, key);

    private static X509Certificate2 Leaf(SpiffeId id, X500DistinguishedName issuer, X509SignatureGenerator signer, AsymmetricAlgorithm? key)
    {
        using var own = key is null ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : null;
        var request = (key ?? own) is RSA rsa
            ? new CertificateRequest("", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest("", (ECDsa)(key ?? own)!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(SvidCertificate.UriSan(id.ToString()));
        return request.Create(issuer, signer, s_from, s_until, SvidCertificate.NewSerial());
    }

    private static (CertificateRequest Request, X509SignatureGenerator Signer) NewAuthority(X500DistinguishedName name, string how)
    {
        CertificateRequest request;
        X509SignatureGenerator signer;
        if (how.StartsWith("RSA", StringComparison.Ordinal))
        {
            var padding = how == "RSA-PSS" ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
            var rsa = RSA.Create(2048);
            (request, signer) = (new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, padding), X509SignatureGenerator.CreateForRSA(rsa, padding));
        }
        else
        {
            var curve = how switch { "P-384" => ECCurve.NamedCurves.nistP384, "P-521" => ECCurve.NamedCurves.nistP521, _ => ECCurve.NamedCurves.nistP256 };
            var elliptic = ECDsa.Create(curve);
            var hash = how switch { "P-384" => HashAlgorithmName.SHA384, "P-521" => HashAlgorithmName.SHA512, _ => HashAlgorithmName.SHA256 };
            (request, signer) = (new CertificateRequest(name, elliptic, hash), X509SignatureGenerator.CreateForECDsa(elliptic));
        }

        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return (request, signer);
    }
}
