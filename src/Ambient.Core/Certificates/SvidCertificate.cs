using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>The shape of the certificates that we sign or ask for.</summary>
internal static class SvidCertificate
{
    private static readonly OidCollection BothRoles = [new Oid("1.3.6.1.5.5.7.3.1", null), new Oid("1.3.6.1.5.5.7.3.2", null)];

    /// <summary>A leaf: empty subject, one critical URI SAN, both roles (X509-SVID sections 2 and 4).</summary>
    internal static CertificateRequest Leaf(SpiffeId id, ECDsa key)
    {
        var request = new CertificateRequest(new X500DistinguishedName(""), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(UriSan(id.ToString()));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(BothRoles, false));
        return request;
    }

    /// <summary>An authority.</summary>
    internal static CertificateRequest Authority(string name, TrustDomain trustDomain, ECDsa key)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddOrganizationName(trustDomain.Name.Length > 64 ? trustDomain.Name[..64] : trustDomain.Name);
        subject.AddCommonName(name);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(UriSan($"spiffe://{trustDomain.Name}", critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    /// <summary>A positive serial number of 127 random bits (RFC 5280, 4.1.2.2).</summary>
    internal static byte[] NewSerial()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 0x40);
        return serial;
    }

    internal static X509Extension UriSan(string uri, bool critical = true)
    {
        // Written by hand: SubjectAlternativeNameBuilder goes through System.Uri, which may rewrite what it is given.
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
        }

        return new X509Extension("2.5.29.17", writer.Encode(), critical);
    }
}
