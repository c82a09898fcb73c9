using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Pooling;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;

namespace Ambient.Hbone;

/// <summary>Opens tunnels, sharing pooled HTTP/2 connections over mutual TLS.</summary>
public sealed partial class HboneClient : IAsyncDisposable
{
    private readonly HboneClientOptions _options;
    private readonly HandshakeLimits _limits;
    private readonly HboneIo _io;
    private readonly Http2ConnectionOptions _http2Options;
    private readonly ISvidSource _svids;
    private readonly TimeProvider _time;
    private readonly ConnectionPool<HboneKey, ClientConnection> _pool;
    private readonly Action<object> _release;
    private readonly Action<object> _endInner;
    private readonly InnerConnections _inner = new();
    private readonly Heartbeat _heartbeat;
    private int _disposed;

    /// <summary>Creates a client.</summary>
    /// <param name="options">Settings; later changes have no effect.</param>
    /// <param name="svids">Where the SVID to present comes from.</param>
    /// <param name="timeProvider">Clock; the system's when null.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names each.</exception>
    public HboneClient(HboneClientOptions options, ISvidSource svids, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(svids);
        options.Validate();
        _options = options.Clone();
        _limits = new HandshakeLimits(options.HandshakeTimeout, options.MaxHandshakeSize, options.MaxPeerCertificates);
        _io = options.Io ?? HboneIo.Default;
        _http2Options = new Http2ConnectionOptions
        {
            Io = _io,
            StreamWindowSize = options.StreamWindowSize,
            ConnectionWindowSize = options.ConnectionWindowSize,
            MaxFrameSize = options.MaxFrameSize,
            MaxHeaderListSize = options.MaxHeaderListSize,
            MaxConcurrentStreams = options.MaxStreamsPerConnection,
            PingInterval = options.PingInterval,
            PingTimeout = options.PingTimeout,
        };
        _svids = svids;
        _time = timeProvider ?? TimeProvider.System;
        _pool = new ConnectionPool<HboneKey, ClientConnection>(DialAsync, options.UnusedReleaseTimeout, _time);
        _release = slot => _pool.Release((ConnectionPool<HboneKey, ClientConnection>.Slot)slot);
        _endInner = http2 => _inner.End((Http2Connection)http2);
        _heartbeat = new Heartbeat(Tick, _time, options.UnusedReleaseTimeout, options.PingInterval, options.PingTimeout);
    }

    /// <summary>Connections that are open at present and may be used again.</summary>
    internal int PooledConnections => _pool.Count;

    /// <summary>Opens a tunnel: a pooled connection or a new one, then CONNECT, then the peer's 200.</summary>
    /// <exception cref="HboneException">With the reason, and the status when the peer refused.</exception>
    public async ValueTask<HboneTunnel> ConnectAsync(HboneConnectRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        var key = new HboneKey(request.Source, request.AcceptedIdentities, request.AcceptedTrustDomains, request.NextHop, request.SourceAddress, _options.StaysOnThread ? _io.LoopHere() : null);
        var headers = HeadersOf(request);
        for (var useless = 0; ; useless++)
        {
            // 1. A place on a connection, 2. a stream on it, 3. the answer. A connection may stop taking streams before, between and after
            // these, so all that gave nothing are counted together: a peer that does it now here, now there is given up as soon as any other.
            var place = await ReserveAsync(key, useless, cancellationToken).ConfigureAwait(false);
            useless = place.Useless;
            var mayRetry = useless < ConnectionPool<HboneKey, ClientConnection>.MaxUseless;
            var sent = new SentConnect(_release, place.Slot, _io.RunsInline);
            Http2Stream stream;
            try
            {
                stream = place.Connection.Http2.Open(headers, sent);
            }
            catch (IOException e)
            {
                _pool.Release(place.Slot);
                if (mayRetry)
                {
                    continue;
                }

                throw new HboneException(HboneFailure.Http2Failed, $"no connection to {request.NextHop} takes a stream: {e.Message}", e);
            }
            catch
            {
                _pool.Release(place.Slot);
                throw;
            }

            try
            {
                var answer = await WaitForAnswerAsync($"{request.Authority} through {request.NextHop}", stream, sent.Answer, cancellationToken).ConfigureAwait(false);
                sent.ForgetAnswer();
                return new StreamTunnel(stream, place.Connection.Peer, request.Authority, answer.Baggage);
            }
            catch (HboneException e) when (e.InnerException is UnprocessedException && !place.Connection.CanOpen && mayRetry)
            {
                // The peer went away while the CONNECT was on its way, and has not looked at it: another connection may have it.
            }
        }
    }

    /// <summary>Closes every pooled connection; tunnels end at once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _heartbeat.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(_inner.Close().Concat(_pool.Close().Select(connection => connection.Http2)).Select(http2 => http2.DisposeAsync().AsTask())).ConfigureAwait(false);
        _pool.Dispose();
    }

    private static ConnectRequestHeaders HeadersOf(HboneConnectRequest request) => new()
    {
        Authority = request.Authority,
        Baggage = request.Baggage,
        Forwarded = request.Forwarded,
        TraceParent = request.TraceParent,
        ForwardedNetwork = request.ForwardedNetwork,
        RequestSource = request.RequestSource,
    };

    private void Tick()
    {
        _pool.Tick();
        _inner.Tick();
    }

    private static async ValueTask<ConnectResponseHeaders> WaitForAnswerAsync(
        string where, Http2Stream stream, Task<ConnectResponseHeaders> answering, CancellationToken cancellationToken)
    {
        ConnectResponseHeaders answer;
        try
        {
            using var onCancel = cancellationToken.UnsafeRegister(static s => ((Http2Stream)s!).Reset(Http2ErrorCode.Cancel), stream);
            answer = await answering.ConfigureAwait(false);
        }
        catch (IOException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new HboneException(HboneFailure.Http2Failed, $"the tunnel to {where} failed before an answer: {e.Message}", e);
        }

        if (answer.Status == 200)
        {
            return answer;
        }

        stream.Reset(Http2ErrorCode.Cancel);
        throw new HboneException(
            HboneFailure.Refused, $"the tunnel to {where} was refused: http status: {StatusPhrase.Of(answer.Status)}", statusCode: answer.Status);
    }

    private async ValueTask<ConnectionPool<HboneKey, ClientConnection>.Place> ReserveAsync(HboneKey key, int useless, CancellationToken cancellationToken)
    {
        try
        {
            return await _pool.ReserveAsync(key, useless, cancellationToken).ConfigureAwait(false);
        }
        catch (HboneException e)
        {
            // One dial fails for all who wait for it: each gets an exception of its own.
            throw new HboneException(e.Failure, e.Message, e, e.StatusCode);
        }
    }

    private async Task<ClientConnection> DialAsync(HboneKey key, CancellationToken cancellationToken)
    {
        // 1. The certificate, 2. the TCP connection, 3. TLS, 4. HTTP/2 up to the peer's SETTINGS.
        var svid = await GetSvidAsync(key.Source, cancellationToken).ConfigureAwait(false);
        var socket = await DialSocketAsync(key, cancellationToken).ConfigureAwait(false);
        IPEndPoint remote;
        IPEndPoint local;
        SocketChannel channel;
        try
        {
            remote = SocketDefaults.Unmap(socket.RemoteEndPoint);
            local = SocketDefaults.Unmap(socket.LocalEndPoint);
            channel = new SocketChannel(socket, key.Loop ?? _io.NextLoop());
        }
        catch (SocketException e)
        {
            // It was gone before the handshake could begin.
            socket.Dispose();
            throw new HboneException(HboneFailure.ConnectFailed, $"cannot connect to {key.Destination}: {e.Message}", e);
        }

        var (http2, peer) = await OpenAsync(channel, svid, key.Matcher, key.Destination.ToString(), cancellationToken).ConfigureAwait(false);
        return new ClientConnection(http2, new PeerInfo(peer, remote, local));
    }

    /// <summary>TLS, and HTTP/2 up to the peer's SETTINGS.</summary>
    private async Task<(Http2Connection Http2, SpiffeId Peer)> OpenAsync(
        IByteChannel channel, X509Svid svid, SpiffeIdMatcher accepted, string where, CancellationToken cancellationToken)
    {
        TlsTransport transport;
        SpiffeId peer;
        try
        {
            (transport, peer) = await TlsHandshake.AsClientAsync(channel, svid, accepted, _options.Revocation, _limits, _options.Tls, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (HboneException e)
        {
            throw new HboneException(e.Failure, $"no HBONE connection to {where} as {svid.Id}: {e.Message}", e.InnerException);
        }

        var http2 = new Http2Connection(transport, _http2Options, server: null, _time)
        {
            StreamEnded = static stream => (stream.Owner as SentConnect)?.OnEnded(),
        };
        http2.Start();
        RevocationWatch.Follow(_options.Revocation, transport, PeerRole.Server, http2);
        try
        {
            await http2.SettingsReceived.WaitAsync(_options.HandshakeTimeout, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            http2.Abort(e);
            cancellationToken.ThrowIfCancellationRequested();

            // With TLS 1.3 a server refuses our certificate only after our side of the handshake is done: its alert comes here.
            throw new HboneException(
                e is Http2ConnectionException ? HboneFailure.Http2Failed : HboneFailure.TlsFailed,
                $"no HBONE connection to {where} as {svid.Id}: the peer hung up after the handshake, which is how it refuses a certificate ({e.Message})",
                e);
        }

        return (http2, peer);
    }

    private async ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken)
    {
        try
        {
            return await _svids.GetSvidAsync(id, cancellationToken).ConfigureAwait(false);
        }
        catch (SvidUnavailableException e)
        {
            throw new HboneException(HboneFailure.IdentityUnavailable, $"no certificate for {id}: {e.Message}", e);
        }
    }

    private async ValueTask<Socket> DialSocketAsync(HboneKey key, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await _options.Connector.ConnectAsync(key.Destination, key.SourceAddress, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested)
        {
            throw TimedOut(key, e);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.TimedOut)
        {
            throw TimedOut(key, e);
        }
        catch (SocketException e)
        {
            throw new HboneException(HboneFailure.ConnectFailed, $"cannot connect to {key.Destination}: {e.Message}", e);
        }
    }

    private static HboneException TimedOut(HboneKey key, Exception e) =>
        new(HboneFailure.ConnectTimeout, $"connection timed out, maybe a NetworkPolicy is blocking HBONE port {key.Destination.Port}: {key.Destination}", e);
}
