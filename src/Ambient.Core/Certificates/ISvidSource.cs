using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>Where a TLS handshake gets the SVID to present. Rotation is invisible: ask for every handshake.</summary>
public interface ISvidSource
{
    /// <summary>
    /// The current SVID of an identity, waiting for the first one to be issued.
    /// </summary>
    /// <exception cref="SvidUnavailableException">The authority did not issue one and none is still valid.</exception>
    ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default);
}
