using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Core.Tests.Identity;

/// <summary>Chains under one of two roots, with up to two things wrong or unusual about them.</summary>
internal static class RandomChain
{
    private static readonly string[] s_oddities =
    [
        "none", "leaf of another key", "middle is no authority", "middle may not sign", "path too long", "middle expired", "root expired", "root unknown",
        "leaf usage client", "leaf usage other", "middle usage server", "critical unknown", "name constraint", "missing middle", "wrong key identifier", "order reversed",
    ];

    /// <summary>Makes one. What is odd about it is in the last part, each with a plus before it.</summary>
    public static (X509Certificate2 Leaf, List<X509Certificate2> Others, TrustBundle Roots, string Shape) Make(Random random, SpiffeId id)
    {
        var odd = new HashSet<string> { s_oddities[random.Next(s_oddities.Length)] };
        if (random.Next(4) == 0)
        {
            odd.Add(s_oddities[random.Next(s_oddities.Length)]);
        }

        odd.Remove("none");
        var middles = random.Next(1, 4);
        var withIdentifiers = random.Next(2) == 0;
        var now = DateTimeOffset.UtcNow;
        var (root, other) = (NewKey(), NewKey());
        var rootRequest = Request("CN=the root", root);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, odd.Contains("path too long"), Math.Max(0, middles - 1), true));
        AddIdentifier(rootRequest, withIdentifiers);
        var rootCertificate = rootRequest.CreateSelfSigned(now.AddDays(-2), odd.Contains("root expired") ? now.AddDays(-1) : now.AddDays(2));
        var otherRequest = Request("CN=another root", other);
        otherRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var otherCertificate = otherRequest.CreateSelfSigned(now.AddDays(-2), now.AddDays(2));
        List<X509Certificate2> others = [];
        var (issuer, key) = (rootCertificate, root);
        for (var i = 0; i < middles; i++)
        {
            var own = NewKey();
            var request = Request($"CN=middle {i}", own);
            var first = i == 0;
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(!(first && odd.Contains("middle is no authority")), false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(
                first && odd.Contains("middle may not sign") ? X509KeyUsageFlags.DigitalSignature : X509KeyUsageFlags.KeyCertSign, true));
            AddIdentifier(request, withIdentifiers);
            AddAuthority(request, issuer, withIdentifiers, first && odd.Contains("wrong key identifier"));
            if (first && odd.Contains("middle usage server"))
            {
                request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
            }

            if (first && odd.Contains("name constraint"))
            {
                request.CertificateExtensions.Add(NameConstraint());
            }

            if (first && odd.Contains("critical unknown"))
            {
                request.CertificateExtensions.Add(new X509Extension("1.2.3.4.5", [4, 1, 1], true));
            }

            var made = Sign(request, issuer, key, now.AddDays(-1.5), first && odd.Contains("middle expired") ? now.AddDays(-1) : now.AddDays(1.5));
            others.Insert(0, made);
            (issuer, key) = (made, own);
        }

        var leafRequest = Request("", NewKey());
        leafRequest.CertificateExtensions.Add(SvidCertificate.UriSan(id.ToString()));
        AddAuthority(leafRequest, issuer, withIdentifiers, false);
        if (odd.Contains("leaf usage client") || odd.Contains("leaf usage other"))
        {
            leafRequest.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(odd.Contains("leaf usage other") ? "1.3.6.1.5.5.7.3.3" : "1.3.6.1.5.5.7.3.2")], false));
        }

        var leaf = Sign(leafRequest, issuer, odd.Contains("leaf of another key") ? other : key, now.AddDays(-1), now.AddDays(1));
        if (odd.Contains("missing middle"))
        {
            others.RemoveAt(random.Next(others.Count));
        }

        if (odd.Contains("order reversed"))
        {
            others.Reverse();
        }

        if (random.Next(3) == 0)
        {
            others.Add(otherCertificate);
        }

        TrustBundle roots = odd.Contains("root unknown") ? new([otherCertificate]) : random.Next(2) == 0 ? new([otherCertificate, rootCertificate]) : new([rootCertificate]);
        return (leaf, others, roots, $"{middles} middles{(withIdentifiers ? ", key identifiers" : "")}{string.Concat(odd.Select(each => $" +{each}"))}");
    }

    private static ECDsa NewKey() => ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static CertificateRequest Request(string name, ECDsa key) => new(name, key, HashAlgorithmName.SHA256);

    private static X509Certificate2 Sign(CertificateRequest request, X509Certificate2 issuer, ECDsa key, DateTimeOffset from, DateTimeOffset until) =>
        request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(key), from, until, SvidCertificate.NewSerial());

    private static void AddIdentifier(CertificateRequest request, bool wanted)
    {
        if (wanted)
        {
            request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        }
    }

    private static void AddAuthority(CertificateRequest request, X509Certificate2 issuer, bool wanted, bool wrong)
    {
        if (wrong)
        {
            request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier((byte[])[1, 2, 3, 4]));
        }
        else if (wanted && issuer.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault() is { } identifier)
        {
            request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(identifier));
        }
    }

    /// <summary>Permits URIs of another host alone.</summary>
    private static X509Extension NameConstraint()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
        using (writer.PushSequence())
        {
            writer.WriteCharacterString(UniversalTagNumber.IA5String, "other.example", new Asn1Tag(TagClass.ContextSpecific, 6));
        }

        return new X509Extension("2.5.29.30", writer.Encode(), true);
    }
}
