using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>What an authority elsewhere is asked to sign.</summary>
public static class SvidSigningRequest
{
    /// <summary>
    /// A certificate signing request (PKCS #10, RFC 2986) in PEM: no subject, one critical URI SAN with the identity, signed with SHA-256.
    /// </summary>
    /// <param name="id">Identity that the certificate is to have.</param>
    /// <param name="key">Key pair of the certificate; the request holds its public half.</param>
    public static string ToPem(SpiffeId id, ECDsa key)
    {
        ArgumentNullException.ThrowIfNull(id);
        ArgumentNullException.ThrowIfNull(key);
        var request = new CertificateRequest(new X500DistinguishedName(""), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(SvidCertificate.UriSan(id.ToString()));
        return request.CreateSigningRequestPem() + "\n";
    }
}
