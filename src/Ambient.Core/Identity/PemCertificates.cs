using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Ambient.Identity;

/// <summary>Certificates as concatenated PEM blocks.</summary>
internal static class PemCertificates
{
    /// <summary>Reads every certificate of a text, in order.</summary>
    /// <exception cref="FormatException">There is none, or one cannot be read.</exception>
    internal static ImmutableArray<X509Certificate2> Read(ReadOnlySpan<char> pem)
    {
        var collection = new X509Certificate2Collection();
        try
        {
            collection.ImportFromPem(pem);
        }
        catch (CryptographicException e)
        {
            throw new FormatException($"a PEM certificate cannot be read: {e.Message}", e);
        }

        return collection.Count == 0 ? throw new FormatException("no PEM certificate found") : [.. collection];
    }

    internal static string Write(IEnumerable<X509Certificate2> certificates)
    {
        var text = new StringBuilder();
        foreach (var certificate in certificates)
        {
            text.Append(certificate.ExportCertificatePem()).Append('\n');
        }

        return text.ToString();
    }
}
