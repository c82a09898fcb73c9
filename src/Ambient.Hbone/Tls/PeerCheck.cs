using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone.Tls.Native;
using Ambient.Identity;

namespace Ambient.Hbone.Tls;

/// <summary>Verifies one peer, and keeps what was found. The same rules and words for both engines.</summary>
internal sealed class PeerCheck(TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, PeerRevocation? revocation, HandshakeLimits limits, TimeProvider time)
    : INativePeerCheck
{
    /// <summary>The policy that <see cref="SslStream"/> builds a chain with.</summary>
    public X509ChainPolicy CreateChainPolicy() => SvidVerifier.CreateChainPolicy(roots, role, time.GetUtcNow());

    /// <summary>Who the peer is; null as long as it is not accepted.</summary>
    public SpiffeId? Peer { get; private set; }

    /// <summary>Why it is refused, for the log.</summary>
    public string? Refusal { get; private set; }

    /// <summary>By what it was verified; null where nobody asks about revocation.</summary>
    public VerifiedPath? Path { get; private set; }

    /// <summary>SslStream asks, and has built and verified the whole chain before.</summary>
    public bool Callback(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        // On one side the platform counts the peer's own certificate among them.
        if (chain?.ChainPolicy.ExtraStore.Count is { } count && count > limits.MaxCertificates + 1)
        {
            TooMany(count);
            return false;
        }

        var verification = SvidVerifier.Verify(certificate is null ? null : chain, roots, role, accepted, time.GetUtcNow());
        return Accept(verification, verification.IsAccepted && revocation is not null ? VerifiedPath.Of(chain!) : null) == 0;
    }

    /// <inheritdoc/>
    public int LimitFault(int beside)
    {
        if (beside <= limits.MaxCertificates)
        {
            return 0;
        }

        TooMany(beside);
        return NativeVerifyError.Rejected;
    }

    /// <inheritdoc/>
    public int Verify(X509Certificate2? leaf, X509Certificate2Collection presented)
    {
        if (revocation is null)
        {
            return Accept(SvidVerifier.Verify(leaf, presented, roots, role, accepted, time.GetUtcNow()), null);
        }

        var verification = SvidVerifier.Verify(leaf, presented, roots, role, accepted, time.GetUtcNow(), out var path);
        return Accept(verification, path);
    }

    private void TooMany(int count) =>
        Refusal = $"the peer presented {count} certificates; at most {limits.MaxCertificates} beside its own are accepted (MaxPeerCertificates)";

    private int Accept(SvidVerification verification, VerifiedPath? path)
    {
        Refusal = verification.Reason;
        if (!verification.IsAccepted)
        {
            return verification.Failure switch
            {
                SvidFailure.Untrusted => NativeVerifyError.Untrusted,
                SvidFailure.Expired => NativeVerifyError.Expired,
                SvidFailure.NotYetValid => NativeVerifyError.NotYetValid,
                _ => NativeVerifyError.Rejected,
            };
        }

        if (path is not null && revocation!.Refuses(path, role, out var reason))
        {
            Refusal = reason;
            return NativeVerifyError.Revoked;
        }

        Peer = verification.Id;
        Path = path;
        return 0;
    }
}
