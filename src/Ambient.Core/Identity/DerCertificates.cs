using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>Certificates in DER, one after the other.</summary>
internal static class DerCertificates
{
    private const int Most = 1024;

    /// <summary>Reads every certificate, in order.</summary>
    /// <exception cref="FormatException">There is none, one cannot be read, or there are too many.</exception>
    internal static ImmutableArray<X509Certificate2> Read(ReadOnlySpan<byte> der)
    {
        var certificates = ImmutableArray.CreateBuilder<X509Certificate2>();
        while (!der.IsEmpty)
        {
            if (certificates.Count == Most)
            {
                throw new FormatException($"more than {Most} certificates");
            }

            try
            {
                AsnDecoder.ReadSequence(der, AsnEncodingRules.DER, out _, out _, out var length);
                certificates.Add(X509CertificateLoader.LoadCertificate(der[..length]));
                der = der[length..];
            }
            catch (Exception e) when (e is AsnContentException or CryptographicException)
            {
                throw new FormatException($"DER certificate {certificates.Count + 1} cannot be read: {e.Message}", e);
            }
        }

        return certificates.Count > 0 ? certificates.DrainToImmutable() : throw new FormatException("no DER certificate found");
    }
}
