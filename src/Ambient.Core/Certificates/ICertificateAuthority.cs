using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>Issues SVIDs. Implementations are safe for concurrent calls; retries and caching are the caller's (<see cref="SvidCache"/>).</summary>
public interface ICertificateAuthority
{
    /// <summary>Issues a new SVID with a new private key.</summary>
    /// <exception cref="CertificateAuthorityException">The authority did not issue; the message says why and what to do.</exception>
    ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default);
}
