using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Node.Discovery.Documents;

/// <summary>Whether PEM text can be used, said without anything of its content.</summary>
internal static class PemText
{
    /// <summary>Why a certificate and its private key cannot be used; null: they can.</summary>
    /// <param name="certificates">The certificate, then those between it and the root; null: there is none.</param>
    /// <param name="key">The key; null: there is none.</param>
    public static string? ProblemOf(string? certificates, string? key)
    {
        if (certificates is null || key is null)
        {
            return certificates is null ? "it has no tls.crt" : "it has no tls.key";
        }

        if (!HasCertificates(certificates))
        {
            return "tls.crt has no certificate";
        }

        try
        {
            using var both = X509Certificate2.CreateFromPem(certificates, key);
            return null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // The message of the exception may quote what it did not understand.
            return "tls.key has no key that fits the certificate";
        }
    }

    /// <summary>Whether there is a certificate in it, and nothing in place of one that is none.</summary>
    public static bool HasCertificates(string pem)
    {
        try
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPem(pem);
            foreach (var certificate in all)
            {
                certificate.Dispose();
            }

            return all.Count > 0;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
