using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>
/// A way from a leaf to a root of ours, found by names and key identifiers alone. Signatures come afterwards, from the root downwards, so
/// that a key which nobody of ours has vouched for is never computed with: the first certificate that the peer made itself ends it.
/// </summary>
internal sealed class SvidPath
{
    // What a stranger can make us do: steps of the search, ways that are looked at, and ways whose signatures are looked at.
    private const int MostSteps = 64;
    private const int MostDepth = 16;
    private const int MostWays = 3;

    private SvidPath(CertificateFacts[] below, CertificateFacts[] roots)
    {
        Below = below;
        Roots = roots;
    }

    /// <summary>Leaf first, what lies directly under the root last. Empty: the leaf is itself a root of ours.</summary>
    public CertificateFacts[] Below { get; }

    /// <summary>Roots that may have issued the topmost one; after <see cref="IsSigned"/> the first is the one that has.</summary>
    public CertificateFacts[] Roots { get; private set; }

    /// <summary>The certificates, leaf first and root last.</summary>
    public IReadOnlyList<X509Certificate2> Certificates => [.. Below.Select(each => each.Certificate), Roots[0].Certificate];

    /// <summary>Whether everything in it is judged here; otherwise the platform's chain engine has the last word.</summary>
    public bool IsPlain =>
        Below.Length > 0
        && Below.All(each => each.IsPlain)
        && Below[1..].All(each => !each.HasExtendedUsage)
        && Roots[0] is { IsPlain: true, HasExtendedUsage: false, IsSelfIssued: true };

    /// <summary>The ways there are, the shortest of equals first, and not more than a few.</summary>
    /// <param name="leaf">The peer's certificate.</param>
    /// <param name="presented">What it presented beside it.</param>
    /// <param name="roots">Our roots.</param>
    public static List<SvidPath> Find(CertificateFacts leaf, IEnumerable<X509Certificate2> presented, TrustBundle roots)
    {
        if (roots.Contains(leaf.Certificate))
        {
            return [new SvidPath([], [leaf])];
        }

        var others = presented.Where(each => !roots.Contains(each)).Select(CertificateFacts.TryOf).Where(static facts => facts is not null).ToArray()!;
        var search = new Search(others!, [.. roots.Roots.Select(CertificateFacts.TryOf).Where(static facts => facts is not null)!]);
        search.Go([leaf]);
        return search.Ways;
    }

    /// <summary>Why it cannot be a path, whatever the signatures say; null when it can.</summary>
    public SvidVerification? Fault(DateTimeOffset now)
    {
        for (var i = 0; i <= Below.Length; i++)
        {
            if (SvidVerifier.ValidityFault((i < Below.Length ? Below[i] : Roots[0]).Certificate, i == 0, now) is { } fault)
            {
                return fault;
            }
        }

        // RFC 5280, 6.1.4 (k) to (n). Certificates that name themselves as issuer do not count for the length.
        var between = 0;
        for (var i = 1; i <= Below.Length; i++)
        {
            var authority = i < Below.Length ? Below[i] : Roots[0];
            if (!authority.IsAuthority || !authority.MaySign || authority.PathLength < between)
            {
                return SvidVerification.Refused(SvidFailure.BadChain, $"the peer's certificate chain is refused: {X509ChainStatusFlags.InvalidBasicConstraints}");
            }

            between += authority.IsSelfIssued ? 0 : 1;
        }

        for (var i = 0; i < Below.Length; i++)
        {
            if (!Below[i].HasAcceptedKey(out var found))
            {
                return SvidVerification.Refused(
                    SvidFailure.BadChain,
                    $"{(i == 0 ? "the peer's certificate" : $"certificate \"{Below[i].Certificate.Subject}\" in the peer's chain")} has a key that is not accepted ({found}): "
                    + "RSA of 2048 to 8192 bits and the curves P-256, P-384 and P-521 are");
            }
        }

        return null;
    }

    /// <summary>Verifies the signatures, the topmost first and with our own root's key.</summary>
    /// <param name="isBy">Whether a certificate's key made a signature.</param>
    public bool IsSigned(Func<DerSignature, X509Certificate2, bool> isBy)
    {
        if (Below.Length == 0)
        {
            return true;
        }

        try
        {
            var top = DerSignature.Read(Below[^1].Certificate.RawDataMemory);
            var root = top.IsSupported && Repeats(top) ? Array.Find(Roots, root => isBy(top, root.Certificate)) : null;
            if (root is null)
            {
                return false;
            }

            Roots = [root];
            for (var i = Below.Length - 2; i >= 0; i--)
            {
                var signature = DerSignature.Read(Below[i].Certificate.RawDataMemory);
                if (!signature.IsSupported || !Repeats(signature) || !isBy(signature, Below[i + 1].Certificate))
                {
                    return false;
                }
            }

            return true;
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    /// <summary>RFC 5280, 4.1.1.2: the algorithm outside of what is signed is the one inside.</summary>
    private static bool Repeats(DerSignature signature)
    {
        var signed = new AsnReader(signature.Signed, AsnEncodingRules.DER).ReadSequence();
        if (signed.PeekTag() is { TagClass: TagClass.ContextSpecific, TagValue: 0 })
        {
            signed.ReadEncodedValue();
        }

        signed.ReadEncodedValue();
        return signed.ReadEncodedValue().Span.SequenceEqual(signature.Algorithm.Span);
    }

    private sealed class Search(CertificateFacts[] others, CertificateFacts[] roots)
    {
        private int _steps;

        public List<SvidPath> Ways { get; } = [];

        public void Go(List<CertificateFacts> below)
        {
            if (++_steps > MostSteps || Ways.Count == MostWays)
            {
                return;
            }

            var top = below[^1];
            var issuers = roots.Where(root => root.MayHaveIssued(top)).ToArray();
            if (issuers.Length > 0)
            {
                Ways.Add(new SvidPath([.. below], issuers));
            }

            if (below.Count == MostDepth)
            {
                return;
            }

            foreach (var issuer in others)
            {
                if (issuer.MayHaveIssued(top) && !below.Contains(issuer))
                {
                    below.Add(issuer);
                    Go(below);
                    below.RemoveAt(below.Count - 1);
                }
            }
        }
    }
}
