using System.Net.Security;
using System.Security.Authentication;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Tls;
using Ambient.Identity;

namespace Ambient.Hbone;

public sealed partial class HboneClient
{
    /// <summary>
    /// TLS 1.3 with the SVID of an identity, over a connection that carries no tunnel: what Istio's sidecars speak among each other. The peer is verified as
    /// that of a tunnel is; revocation counts at the handshake.
    /// </summary>
    /// <param name="stream">The connection; owned from here, also on failure.</param>
    /// <param name="request">As whom, and whom for.</param>
    /// <param name="cancellationToken">Gives up, and ends the connection.</param>
    /// <exception cref="HboneException">The peer is not who it should be, or does not speak TLS.</exception>
    public async ValueTask<SslStream> AuthenticateAsync(Stream stream, IdentityTlsRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(request);
        SslStream? tls = null;
        PeerCheck? check = null;
        try
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            var svid = await GetSvidAsync(request.Source, cancellationToken).ConfigureAwait(false);
            check = new PeerCheck(svid.Roots, PeerRole.Server, SpiffeIdMatcher.OneOf(request.AcceptedIdentities), _options.Revocation, _limits, _time);
            tls = new SslStream(stream, leaveInnerStreamOpen: false);
            using var deadline = new CancellationTokenSource(_options.HandshakeTimeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = request.ServerName,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ApplicationProtocols = request.Protocols.IsDefaultOrEmpty ? null : [.. request.Protocols.Select(static name => new SslApplicationProtocol(name))],
                    AllowTlsResume = false,
                    AllowRenegotiation = false,
                    ClientCertificateContext = svid.TlsContext,
                    CertificateChainPolicy = check.CreateChainPolicy(),
                    RemoteCertificateValidationCallback = check.Callback,
                },
                either.Token).ConfigureAwait(false);
            return tls;
        }
        catch (Exception e)
        {
            await (tls ?? stream).DisposeAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (e is HboneException or ObjectDisposedException)
            {
                throw;
            }

            var reason = check?.Refusal
                ?? (e is OperationCanceledException ? $"the TLS handshake took longer than {_options.HandshakeTimeout.TotalSeconds:0.#} s" : $"the TLS handshake failed: {e.InnerException?.Message ?? e.Message}");
            throw new HboneException(HboneFailure.TlsFailed, $"no TLS with {request.ServerName} as {request.Source}: {reason}", e);
        }
    }
}
