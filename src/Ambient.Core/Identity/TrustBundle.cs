using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>Roots that SVIDs are verified against. Immutable: a rotated bundle is another bundle.</summary>
public sealed class TrustBundle
{
    /// <summary>Creates a bundle.</summary>
    /// <param name="roots">Root certificates; an empty bundle trusts nobody.</param>
    public TrustBundle(ImmutableArray<X509Certificate2> roots)
    {
        Roots = roots.IsDefault ? [] : roots;
        Collection = [.. Roots];
    }

    /// <summary>Root certificates.</summary>
    public ImmutableArray<X509Certificate2> Roots { get; }

    /// <summary>The roots in the shape that chain policies take; never changed.</summary>
    internal X509Certificate2Collection Collection { get; }

    /// <summary>Reads concatenated PEM certificates.</summary>
    /// <exception cref="FormatException">There is none, or one cannot be read.</exception>
    public static TrustBundle FromPem(ReadOnlySpan<char> pem) => new(PemCertificates.Read(pem));

    /// <summary>Reads DER certificates, one after the other.</summary>
    /// <exception cref="FormatException">There is none, or one cannot be read.</exception>
    public static TrustBundle FromDer(ReadOnlySpan<byte> der) => new(DerCertificates.Read(der));

    /// <summary>Reads a file of concatenated PEM certificates.</summary>
    /// <exception cref="FormatException">There is none in the file, or one cannot be read; the message names the file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TrustBundle Load(string path)
    {
        try
        {
            return FromPem(File.ReadAllText(path));
        }
        catch (FormatException e)
        {
            throw new FormatException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>The roots as concatenated PEM certificates, each ended by a line break.</summary>
    public string ToPem() => PemCertificates.Write(Roots);

    /// <summary>Writes the roots to a file as PEM.</summary>
    public void Save(string path) => File.WriteAllText(path, ToPem());

    /// <summary>Whether a certificate is, byte for byte, one of the roots.</summary>
    internal bool Contains(X509Certificate2 certificate)
    {
        var bytes = certificate.RawDataMemory.Span;
        foreach (var root in Roots)
        {
            if (root.RawDataMemory.Span.SequenceEqual(bytes))
            {
                return true;
            }
        }

        return false;
    }
}
