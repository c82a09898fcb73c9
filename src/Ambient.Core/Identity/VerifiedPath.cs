using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>
/// The certificates by which a peer was verified, from its own to the root: not what it presented, in which there may be anything. Kept while
/// its connection lives, so that it can be asked again whether one of them is revoked.
/// </summary>
public sealed class VerifiedPath
{
    private VerifiedPath(ImmutableArray<Link> links) => Links = links;

    internal ImmutableArray<Link> Links { get; }

    /// <summary>The path of a chain that was built and accepted.</summary>
    public static VerifiedPath Of(X509Chain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        return Of([.. chain.ChainElements.Select(element => element.Certificate)]);
    }

    /// <summary>A path, leaf first and root last. The certificates are copied.</summary>
    public static VerifiedPath Of(IReadOnlyList<X509Certificate2> certificates)
    {
        ArgumentNullException.ThrowIfNull(certificates);

        // Copies: those of a handshake are gone with it.
        var own = certificates.Select(certificate => X509CertificateLoader.LoadCertificate(certificate.RawData)).ToArray();
        var links = ImmutableArray.CreateBuilder<Link>();
        for (var i = 0; i + 1 < own.Length; i++)
        {
            links.Add(new Link(
                own[i], RevocationList.NameKey(own[i].IssuerName.RawData), RevocationList.SerialKey(own[i].SerialNumberBytes.Span), own[i + 1]));
        }

        return new VerifiedPath(links.DrainToImmutable());
    }

    /// <summary>A certificate and the authority that vouches for it.</summary>
    internal sealed record Link(X509Certificate2 Certificate, string Issuer, string Serial, X509Certificate2 Authority);
}
