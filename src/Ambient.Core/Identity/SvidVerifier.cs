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
    private const string AnyUsage = "2.5.29.37.0";

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

    /// <summary>Verifies a leaf and what the peer presented with it, as <see cref="Verify(X509Certificate2, X509Certificate2Collection, TrustBundle, PeerRole, SpiffeIdMatcher, DateTimeOffset, out VerifiedPath)"/>.</summary>
    /// <param name="leaf">The peer's certificate; null when it presented none.</param>
    /// <param name="presented">Further certificates that it presented, in any order.</param>
    /// <param name="roots">Our roots.</param>
    /// <param name="role">The part that the peer plays.</param>
    /// <param name="accepted">Who is accepted.</param>
    /// <param name="now">The time to verify at.</param>
    public static SvidVerification Verify(
        X509Certificate2? leaf, X509Certificate2Collection? presented, TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, DateTimeOffset now) =>
        Verify(leaf, presented, roots, role, accepted, now, DerSignatureCheck, out _);

    /// <summary>
    /// Verifies a leaf and what the peer presented with it, and computes nothing for a stranger: names, validity, keys and the SPIFFE ID are
    /// looked at first, a path to one of our roots is looked for by names and key identifiers, and its signatures are verified from the root
    /// downwards. So no signature is verified that cannot lead to our roots, and the first certificate that the peer made itself ends it.
    /// </summary>
    /// <param name="leaf">The peer's certificate; null when it presented none.</param>
    /// <param name="presented">Further certificates that it presented, in any order.</param>
    /// <param name="roots">Our roots.</param>
    /// <param name="role">The part that the peer plays.</param>
    /// <param name="accepted">Who is accepted.</param>
    /// <param name="now">The time to verify at.</param>
    /// <param name="path">By what the peer was verified; null when it is refused.</param>
    public static SvidVerification Verify(
        X509Certificate2? leaf,
        X509Certificate2Collection? presented,
        TrustBundle roots,
        PeerRole role,
        SpiffeIdMatcher accepted,
        DateTimeOffset now,
        out VerifiedPath? path)
    {
        var verification = Verify(leaf, presented, roots, role, accepted, now, DerSignatureCheck, out var certificates);
        path = verification.IsAccepted ? VerifiedPath.Of(certificates) : null;
        return verification;
    }

    /// <summary>The same with another way to verify a signature: tests count.</summary>
    internal static SvidVerification Verify(
        X509Certificate2? leaf,
        X509Certificate2Collection? presented,
        TrustBundle roots,
        PeerRole role,
        SpiffeIdMatcher accepted,
        DateTimeOffset now,
        Func<DerSignature, X509Certificate2, bool> isBy,
        out IReadOnlyList<X509Certificate2> path)
    {
        ArgumentNullException.ThrowIfNull(roots);
        ArgumentNullException.ThrowIfNull(accepted);
        path = [];
        if (leaf is null)
        {
            return NoCertificate();
        }

        try
        {
            // 1. Ways to our roots, by names. 2. What is wrong with them or with the leaf. 3. Who it is. 4. Signatures.
            SvidVerification? fault = null;
            var ways = SvidPath.Find(CertificateFacts.Of(leaf), presented ?? [], roots);
            ways.RemoveAll(way => way.Fault(now) is { } found && (fault ??= found) is not null);
            if (ways.Count == 0)
            {
                return fault ?? ValidityFault(leaf, isLeaf: true, now) ?? Untrusted(leaf, roots);
            }

            var verdict = UsageFault(leaf, role) ?? LeafFault(leaf, role) ?? Identify(leaf, accepted);
            if (!verdict.IsAccepted)
            {
                return verdict;
            }

            if (ways.Find(way => way.IsSigned(isBy)) is not { } way)
            {
                return SvidVerification.Refused(SvidFailure.BadChain, $"the peer's certificate chain is refused: {X509ChainStatusFlags.NotSignatureValid}");
            }

            path = way.Certificates;
            return way.IsPlain ? verdict : BuildAndVerify(path, roots, role, accepted, now);
        }
        catch (CryptographicException e)
        {
            return SvidVerification.Refused(SvidFailure.Malformed, $"the peer's certificate cannot be read: {e.Message}");
        }
    }

    /// <summary>Asks the platform's chain engine about a path whose signatures are good: it knows constraints, policies and what else there is.</summary>
    private static SvidVerification BuildAndVerify(
        IReadOnlyList<X509Certificate2> path, TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, DateTimeOffset now)
    {
        using var chain = new X509Chain { ChainPolicy = CreateChainPolicy(roots, role, now) };
        for (var i = 1; i < path.Count - 1; i++)
        {
            chain.ChainPolicy.ExtraStore.Add(path[i]);
        }

        try
        {
            chain.Build(path[0]);
            return Verify(chain, roots, role, accepted, now);
        }
        finally
        {
            foreach (var element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }
        }
    }

    private static bool DerSignatureCheck(DerSignature signature, X509Certificate2 issuer) => signature.IsBy(issuer);

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
            if (ValidityFault(elements[i].Certificate, i == 0, now) is { } fault)
            {
                return fault;
            }
        }

        var status = X509ChainStatusFlags.NoError;
        foreach (var fault in chain.ChainStatus)
        {
            status |= fault.Status;
        }

        if ((status & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot)) != 0 || !roots.Contains(elements[^1].Certificate))
        {
            return Untrusted(elements[0].Certificate, roots);
        }

        return (status & ~X509ChainStatusFlags.NotValidForUsage) switch
        {
            X509ChainStatusFlags.NoError when status == X509ChainStatusFlags.NoError => null,
            X509ChainStatusFlags.NoError => NotForRole(),
            var other => SvidVerification.Refused(SvidFailure.BadChain, $"the peer's certificate chain is refused: {other}"),
        };
    }

    private static SvidVerification Untrusted(X509Certificate2 leaf, TrustBundle roots) => SvidVerification.Refused(
        SvidFailure.Untrusted, $"the peer's certificate (issuer \"{leaf.Issuer}\") does not chain to our {roots.Roots.Length} root(s); another authority or trust domain?");

    /// <summary>Whether a certificate of the chain is not valid at a time, with the sentence that names it.</summary>
    internal static SvidVerification? ValidityFault(X509Certificate2 certificate, bool isLeaf, DateTimeOffset now)
    {
        var whose = isLeaf ? "the peer's certificate" : $"certificate \"{certificate.Subject}\" in the peer's chain";
        if (certificate.NotAfter.ToUniversalTime() < now.UtcDateTime)
        {
            return SvidVerification.Refused(SvidFailure.Expired, $"{whose} expired at {certificate.NotAfter.ToUniversalTime():u}");
        }

        return certificate.NotBefore.ToUniversalTime() > now.UtcDateTime
            ? SvidVerification.Refused(
                SvidFailure.NotYetValid, $"{whose} is not valid before {certificate.NotBefore.ToUniversalTime():u}; do the clocks of both machines agree?")
            : null;
    }

    private static SvidVerification NotForRole() =>
        SvidVerification.Refused(SvidFailure.ExtendedKeyUsage, "the extended key usage in the peer's chain does not allow the role that it plays");

    /// <summary>As a chain engine sees it: any usage counts for every role there, and is refused further on by a sentence of its own.</summary>
    private static SvidVerification? UsageFault(X509Certificate2 leaf, PeerRole role)
    {
        foreach (var extension in leaf.Extensions)
        {
            if (extension is X509EnhancedKeyUsageExtension usage && !Allows(usage, role) && !Allows(usage, AnyUsage))
            {
                return NotForRole();
            }
        }

        return null;
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

    private static bool Allows(X509EnhancedKeyUsageExtension usage, PeerRole role) =>
        Allows(usage, role == PeerRole.Client ? ClientAuthentication : ServerAuthentication);

    private static bool Allows(X509EnhancedKeyUsageExtension usage, string needed)
    {
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
