using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;

namespace Ambient.Hbone;

public sealed partial class HboneClient
{
    /// <summary>
    /// Opens a tunnel within a tunnel (double HBONE, across networks): TLS of its own over the bytes of <paramref name="carrier"/>,
    /// with whoever is at the end of it, then HTTP/2 and CONNECT as for any other tunnel. The inner connection is never shared;
    /// when its tunnel ends, so does the carrier.
    /// </summary>
    /// <param name="carrier">Carries the inner tunnel; nothing may have asked for its pipes. Owned from here, also on failure.</param>
    /// <param name="request">What the inner peer is asked for. Next hop and source address are not used.</param>
    /// <param name="cancellationToken">Gives up, and ends the carrier.</param>
    /// <exception cref="HboneException">With the reason, and the status when the inner peer refused.</exception>
    public async ValueTask<HboneTunnel> ConnectWithinAsync(HboneTunnel carrier, HboneConnectRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(carrier);
        ArgumentNullException.ThrowIfNull(request);
        var where = $"{request.Authority} within the tunnel through {carrier.RemoteEndPoint}";
        var begun = false;
        try
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);

            // 1. The certificate, 2. TLS and HTTP/2 over the carrier, 3. the only stream, 4. the answer.
            var svid = await GetSvidAsync(request.Source, cancellationToken).ConfigureAwait(false);
            var channel = new TunnelChannel((StreamTunnel)carrier);
            var (http2, peer) = await OpenAsync(channel, svid, HboneConnectRequest.Matcher(request.AcceptedIdentities, request.AcceptedTrustDomains), where, cancellationToken).ConfigureAwait(false);
            _inner.Add(http2);
            begun = true;
            var sent = new SentConnect(_endInner, http2, _io.RunsInline);
            Http2Stream stream;
            try
            {
                stream = http2.Open(HeadersOf(request), sent);
            }
            catch (IOException e)
            {
                _inner.End(http2);
                throw new HboneException(HboneFailure.Http2Failed, $"no stream to {where}: {e.Message}", e);
            }

            var answer = await WaitForAnswerAsync(where, stream, sent.Answer, cancellationToken).ConfigureAwait(false);
            sent.ForgetAnswer();
            return new StreamTunnel(stream, new PeerInfo(peer, carrier.RemoteEndPoint, carrier.LocalEndPoint), request.Authority, answer.Baggage);
        }
        catch when (!begun)
        {
            // From then on the inner connection ends in order, and the carrier with it.
            await carrier.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
