using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>
/// Verifies the certificate chain of a TLS peer (X509-SVID section 5): a chain to <em>our</em> roots only, valid now, a leaf that is
/// no authority and may be used for the peer's role, exactly one SPIFFE ID, and an accepted one. No network, no system roots,
/// no exception for anything that a peer sends. Pure: bundle and time come in with each call, so rotation needs no new verifier.
/// </summary>
/// <remarks>
/// <see cref="System.Net.Security.SslStream"/> builds a chain before it asks its callback. Hand it
/// <see cref="CreateChainPolicy"/> as <c>CertificateChainPolicy</c> and pass the chain it built to
/// <see cref="Verify(X509Chain, TrustBundle, PeerRole, SpiffeIdMatcher, DateTimeOffset)"/>: then a handshake builds once.
/// Without that policy it would read the machine's root store, which costs megabytes and milliseconds.
/// </remarks>
public static class SvidVerifier
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>A chain policy with our roots alone, no downloads, no revocation look-ups, at a given time. One for each handshake.</summary>
    public static X509ChainPolicy CreateChainPolicy(TrustBundle roots, PeerRole role, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(roots);
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationTimeIgnored = false,
            VerificationTime = now.UtcDateTime,
        };
        policy.CustomTrustStore.AddRange(roots.Collection);
        policy.ApplicationPolicy.Add(new Oid(role == PeerRole.Client ? ClientAuthentication : ServerAuthentication, null));
        return policy;
    }

    /// <summary>Verifies a leaf and what the peer presented with it.</summary>
    /// <param name="leaf">The peer's certificate; null when it presented none.</param>
    /// <param name="presented">Further certificates that it presented, in any order.</param>
    /// <param name="roots">Our roots.</param>
    /// <param name="role">The part that the peer plays.</param>
    /// <param name="accepted">Who is accepted.</param>
    /// <param name="now">The time to verify at.</param>
    public static SvidVerification Verify(
        X509Certificate2? leaf, X509Certificate2Collection? presented, TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(roots);
        ArgumentNullException.ThrowIfNull(accepted);
        if (leaf is null)
        {
            return NoCertificate();
        }

        using var chain = new X509Chain { ChainPolicy = CreateChainPolicy(roots, role, now) };
        if (presented is not null)
        {
            chain.ChainPolicy.ExtraStore.AddRange(presented);
        }

        try
        {
            chain.Build(leaf);
            return Verify(chain, roots, role, accepted, now);
        }
        catch (CryptographicException e)
        {
            return SvidVerification.Refused(SvidFailure.Malformed, $"the peer's certificate cannot be read: {e.Message}");
        }
        finally
        {
            foreach (var element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }
        }
    }

    /// <summary>Verifies a chain that was built with <see cref="CreateChainPolicy"/>, as a TLS callback receives it.</summary>
    /// <param name="chain">The built chain; null when the peer presented no certificate.</param>
    /// <param name="roots">Our roots.</param>
    /// <param name="role">The part that the peer plays.</param>
    /// <param name="accepted">Who is accepted.</param>
    /// <param name="now">The time to verify at.</param>
    public static SvidVerification Verify(X509Chain? chain, TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(roots);
        ArgumentNullException.ThrowIfNull(accepted);
        if (chain is null || chain.ChainElements.Count == 0)
        {
            return NoCertificate();
        }

        try
        {
            return ChainFault(chain, roots, now) ?? LeafFault(chain.ChainElements[0].Certificate, role) ?? Identify(chain.ChainElements[0].Certificate, accepted);
        }
        catch (CryptographicException e)
        {
            return SvidVerification.Refused(SvidFailure.Malformed, $"the peer's certificate cannot be read: {e.Message}");
        }
    }

    private static SvidVerification NoCertificate() => SvidVerification.Refused(SvidFailure.NoCertificate, "the peer presented no certificate");

    private static SvidVerification? ChainFault(X509Chain chain, TrustBundle roots, DateTimeOffset now)
    {
        var elements = chain.ChainElements;

        // Validity first: the chain engine reports it among other things, and an operator wants to hear of it by name.
        for (var i = 0; i < elements.Count; i++)
        {
            var certificate = elements[i].Certificate;
            var whose = i == 0 ? "the peer's certificate" : $"certificate \"{certificate.Subject}\" in the peer's chain";
            if (certificate.NotAfter.ToUniversalTime() < now.UtcDateTime)
            {
                return SvidVerification.Refused(SvidFailure.Expired, $"{whose} expired at {certificate.NotAfter.ToUniversalTime():u}");
            }

            if (certificate.NotBefore.ToUniversalTime() > now.UtcDateTime)
            {
                return SvidVerification.Refused(
                    SvidFailure.NotYetValid, $"{whose} is not valid before {certificate.NotBefore.ToUniversalTime():u}; do the clocks of both machines agree?");
            }
        }

        var status = X509ChainStatusFlags.NoError;
        foreach (var fault in chain.ChainStatus)
        {
            status |= fault.Status;
        }

        if ((status & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot)) != 0 || !roots.Contains(elements[^1].Certificate))
        {
            return SvidVerification.Refused(
                SvidFailure.Untrusted, $"the peer's certificate (issuer \"{elements[0].Certificate.Issuer}\") does not chain to our {roots.Roots.Length} root(s); another authority or trust domain?");
        }

        return (status & ~X509ChainStatusFlags.NotValidForUsage) switch
        {
            X509ChainStatusFlags.NoError when status == X509ChainStatusFlags.NoError => null,
            X509ChainStatusFlags.NoError => SvidVerification.Refused(SvidFailure.ExtendedKeyUsage, "the extended key usage in the peer's chain does not allow the role that it plays"),
            var other => SvidVerification.Refused(SvidFailure.BadChain, $"the peer's certificate chain is refused: {other}"),
        };
    }

    private static SvidVerification? LeafFault(X509Certificate2 leaf, PeerRole role)
    {
        foreach (var extension in leaf.Extensions)
        {
            switch (extension)
            {
                case X509BasicConstraintsExtension { CertificateAuthority: true }:
                    return SvidVerification.Refused(SvidFailure.LeafIsAuthority, "the peer's certificate is a certificate authority's, not a workload's");
                case X509KeyUsageExtension usage when (usage.KeyUsages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0:
                    return SvidVerification.Refused(SvidFailure.KeyUsage, "the peer's certificate may sign certificates or revocation lists; an SVID must not");
                case X509KeyUsageExtension usage when (usage.KeyUsages & X509KeyUsageFlags.DigitalSignature) == 0:
                    return SvidVerification.Refused(SvidFailure.KeyUsage, "the peer's certificate does not allow digital signatures");
                case X509EnhancedKeyUsageExtension usage when !Allows(usage, role):
                    return SvidVerification.Refused(
                        SvidFailure.ExtendedKeyUsage, $"the peer's certificate does not allow {(role == PeerRole.Client ? "client" : "server")} authentication");
            }
        }

        return null;
    }

    private static bool Allows(X509EnhancedKeyUsageExtension usage, PeerRole role)
    {
        var needed = role == PeerRole.Client ? ClientAuthentication : ServerAuthentication;
        foreach (var allowed in usage.EnhancedKeyUsages)
        {
            if (allowed.Value == needed)
            {
                return true;
            }
        }

        return false;
    }

    private static SvidVerification Identify(X509Certificate2 leaf, SpiffeIdMatcher accepted)
    {
        var subject = SvidSubject.Read(leaf);
        if (subject.Id is not { } id)
        {
            return SvidVerification.Refused(subject.Failure, subject.Fault!);
        }

        return accepted.Matches(id)
            ? SvidVerification.Accepted(id)
            : SvidVerification.Refused(SvidFailure.NotAccepted, $"the peer is {id}, and accepted here is {accepted}");
    }
}
