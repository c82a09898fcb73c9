using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;

namespace Ambient.Hbone;

/// <summary>Accepts HBONE connections on a listening socket: mutual TLS, HTTP/2, CONNECT.</summary>
public sealed class HboneListener : IAsyncDisposable
{
    private static readonly TimeSpan s_noRoomPause = TimeSpan.FromMilliseconds(50);
    private readonly Socket _socket;
    private readonly HboneServerOptions _options;
    private readonly Http2ConnectionOptions _http2Options;
    private readonly ISvidSource _svids;
    private readonly Func<IPEndPoint, CancellationToken, ValueTask<SpiffeId?>> _identityOf;
    private readonly HboneConnectHandler _handler;
    private readonly ConnectionBudget _budget;
    private readonly HboneIo _io;
    private readonly HandshakeLimits _limits;
    private readonly TimeProvider _time;
    private readonly Heartbeat _heartbeat;
    private readonly CancellationTokenSource _accepting = new();
    private readonly CancellationTokenSource _serving = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Http2Connection> _connections = [];
    private readonly HashSet<Task> _active = [];
    private bool _draining;
    private int _disposed;

    /// <summary>Creates a listener on a socket that is bound and listening; the listener owns it from here.</summary>
    /// <param name="socket">Listening socket.</param>
    /// <param name="options">Settings; later changes have no effect.</param>
    /// <param name="svids">Where the SVID to present comes from.</param>
    /// <param name="identityOf">The identity to present for the local address that a peer connected to; null refuses.</param>
    /// <param name="handler">Answers each CONNECT.</param>
    /// <param name="timeProvider">Clock; the system's when null.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names each.</exception>
    public HboneListener(
        Socket socket,
        HboneServerOptions options,
        ISvidSource svids,
        Func<IPEndPoint, CancellationToken, ValueTask<SpiffeId?>> identityOf,
        HboneConnectHandler handler,
        TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(svids);
        ArgumentNullException.ThrowIfNull(identityOf);
        ArgumentNullException.ThrowIfNull(handler);
        options.Validate();
        _socket = socket;
        _options = options.Clone();
        _io = options.Io ?? HboneIo.Default;
        _http2Options = new Http2ConnectionOptions
        {
            Io = _io,
            StreamWindowSize = options.StreamWindowSize,
            ConnectionWindowSize = options.ConnectionWindowSize,
            MaxFrameSize = options.MaxFrameSize,
            MaxHeaderListSize = options.MaxHeaderListSize,
            MaxConcurrentStreams = options.MaxConcurrentStreams,
            PingInterval = options.PingInterval,
            PingTimeout = options.PingTimeout,
        };
        _svids = svids;
        _identityOf = identityOf;
        _handler = handler;
        _time = timeProvider ?? TimeProvider.System;
        _budget = options.Budget ?? new ConnectionBudget(new ConnectionLimits(), _time);
        _limits = new HandshakeLimits(options.HandshakeTimeout, options.MaxHandshakeSize, options.MaxPeerCertificates);
        _heartbeat = new Heartbeat(Tick, _time, options.PingInterval, options.PingTimeout);
    }

    /// <summary>HTTP/2 connections that are open at present.</summary>
    public int OpenConnections
    {
        get
        {
            lock (_gate)
            {
                return _connections.Count;
            }
        }
    }

    /// <summary>Starts accepting. The task ends when the listener is shut down, and fails when accepting itself fails.</summary>
    /// <param name="cancellationToken">Stops accepting; open connections go on.</param>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _accepting.Token);
        try
        {
            // This loop only accepts: what is wrong with one connection must not keep others out.
            while (true)
            {
                if (await AcceptAsync(either.Token).ConfigureAwait(false) is { } accepted)
                {
                    Register(ServeAsync(accepted));
                }
            }
        }
        catch (Exception) when (either.IsCancellationRequested)
        {
            // Shut down, or about to be.
        }
    }

    /// <summary>
    /// Leads peers on to another server while connections are still accepted: those that are open are told GOAWAY (RFC 9113 section 6.8), their tunnels
    /// go on, and whoever connects anew is served. <see cref="ShutdownAsync"/> follows.
    /// </summary>
    public void LeadOn()
    {
        Http2Connection[] connections;
        lock (_gate)
        {
            connections = [.. _connections];
        }

        foreach (var connection in connections)
        {
            connection.ShutDown();
        }
    }

    /// <summary>Stops accepting, sends GOAWAY, lets open tunnels finish until the token is cancelled, then ends them.</summary>
    public async Task ShutdownAsync(CancellationToken deadline)
    {
        await _accepting.CancelAsync().ConfigureAwait(false);
        _socket.Dispose();
        Http2Connection[] connections;
        Task[] active;
        lock (_gate)
        {
            _draining = true;
            connections = [.. _connections];
            active = [.. _active];
        }

        foreach (var connection in connections)
        {
            connection.ShutDown();
        }

        try
        {
            await Task.WhenAll(active).WaitAsync(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
        }

        await DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Ends everything at once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _accepting.CancelAsync().ConfigureAwait(false);
        _socket.Dispose();
        await _serving.CancelAsync().ConfigureAwait(false);
        await _heartbeat.DisposeAsync().ConfigureAwait(false);
        Http2Connection[] connections;
        lock (_gate)
        {
            _draining = true;
            connections = [.. _connections];
        }

        await Task.WhenAll(connections.Select(connection => connection.DisposeAsync().AsTask())).ConfigureAwait(false);
    }

    /// <summary>The next connection; null when the one that came is gone already, or when there is no room for it at present.</summary>
    private async ValueTask<Socket?> AcceptAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _socket.AcceptAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.Interrupted)
        {
            return null;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
        {
            // Others have to end before there is room: asking again at once would only burn a processor.
            await Task.Delay(s_noRoomPause, _time, cancellationToken).ConfigureAwait(false);
            return null;
        }
    }

    private void Register(Task serving)
    {
        if (serving.IsCompleted)
        {
            return;
        }

        lock (_gate)
        {
            _active.Add(serving);
        }

        _ = serving.ContinueWith(
            static (task, state) =>
            {
                var listener = (HboneListener)state!;
                lock (listener._gate)
                {
                    listener._active.Remove(task);
                }
            },
            this,
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    /// <summary>Owns one connection from its first byte to its last. Never fails.</summary>
    private async Task ServeAsync(Socket socket)
    {
        IPEndPoint remote;
        IPEndPoint local;
        try
        {
            SocketDefaults.Apply(socket);
            remote = SocketDefaults.Unmap(socket.RemoteEndPoint);
            local = SocketDefaults.Unmap(socket.LocalEndPoint);
        }
        catch (SocketException)
        {
            // It was gone before it was accepted.
            socket.Dispose();
            return;
        }

        // What is refused here has cost an accept and nothing else.
        using var lease = _budget.TryOpen(remote.Address);
        if (lease is null)
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Dispose();
            return;
        }

        try
        {
            // 1. Who we are to this peer, 2. TLS, 3. HTTP/2 until it ends.
            var identity = await _identityOf(local, _serving.Token).ConfigureAwait(false)
                ?? throw new HboneException(HboneFailure.IdentityUnavailable, $"no workload has the address {local.Address}");
            var svid = await _svids.GetSvidAsync(identity, _serving.Token).ConfigureAwait(false);
            var (transport, peer) = await ShakeHandsAsync(socket, remote, svid).ConfigureAwait(false);
            if (!lease.TryIdentify(peer))
            {
                await transport.DisposeAsync().ConfigureAwait(false);
                return;
            }

            await ServeHttp2Async(transport, new PeerInfo(peer, remote, local), lease.Buffers).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (!_serving.IsCancellationRequested)
            {
                _options.HandshakeFailed?.Invoke(new HboneHandshakeFailure(remote, local, e.Message, e));
            }
        }
    }

    private async Task<(TlsTransport Transport, SpiffeId Peer)> ShakeHandsAsync(Socket socket, IPEndPoint remote, X509Svid svid)
    {
        var turns = _budget.Handshakes.Begin(remote.Address, () => SocketDefaults.ShutDown(socket));
        var failed = true;
        try
        {
            var accepted = _options.AcceptedPeers?.Invoke(svid.Id) ?? SpiffeIdMatcher.MemberOf(TrustDomain.Parse(svid.Id.TrustDomain));
            var done = await TlsHandshake.AsServerAsync(new SocketChannel(socket, _io.NextLoop()), svid, accepted, _options.Revocation, turns, _limits, _options.Tls, _time, _serving.Token).ConfigureAwait(false);
            failed = false;
            return done;
        }
        catch (HboneException e) when (turns.GaveWay)
        {
            throw new HboneException(HboneFailure.TlsFailed, "the TLS handshake gave way to newer ones: too many are in flight", e);
        }
        finally
        {
            turns.End(failed && !_serving.IsCancellationRequested);
        }
    }

    private async Task ServeHttp2Async(TlsTransport transport, PeerInfo peer, BufferShare? buffers)
    {
        var connection = new Http2Connection(transport, _http2Options with { Buffers = buffers }, new ConnectServer(this, peer), _time);

        // Started before anyone else can find it: a shutdown that comes first would write to a connection that is not there yet.
        connection.Start();
        RevocationWatch.Follow(_options.Revocation, transport, PeerRole.Client, connection);
        bool draining;
        lock (_gate)
        {
            draining = _draining;
            _connections.Add(connection);
        }

        try
        {
            if (draining)
            {
                connection.ShutDown();
            }

            if (_serving.IsCancellationRequested)
            {
                connection.Abort(null);
            }

            await WaitForPrefaceAsync(connection).ConfigureAwait(false);
            await connection.Completion.ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _connections.Remove(connection);
            }
        }
    }

    private async ValueTask WaitForPrefaceAsync(Http2Connection connection)
    {
        try
        {
            await connection.SettingsReceived.WaitAsync(_options.HandshakeTimeout, _time).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (e is TimeoutException)
            {
                connection.Abort(e);
            }

            // Otherwise the connection has ended by itself and is telling the peer why.
            await connection.Completion.ConfigureAwait(false);
            throw new HboneException(
                HboneFailure.Http2Failed,
                e is TimeoutException ? $"no HTTP/2 preface within {_options.HandshakeTimeout.TotalSeconds:0.#} s" : $"no HTTP/2: {e.Message}",
                e);
        }
    }

    private void Tick()
    {
        Http2Connection[] connections;
        lock (_gate)
        {
            if (_connections.Count == 0)
            {
                return;
            }

            connections = [.. _connections];
        }

        foreach (var connection in connections)
        {
            connection.Tick();
        }
    }

    private async Task HandleAsync(ReceivedConnect connect)
    {
        var failed = false;
        try
        {
            await _handler(connect, _serving.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The handler logs what it knows; what is left to do here is to end the tunnel.
            failed = true;
        }

        connect.Finish(failed);
    }

    private sealed class ConnectServer(HboneListener listener, PeerInfo peer) : IHttp2Server
    {
        public void OnConnect(Http2Stream stream, in ConnectRequestHeaders headers)
        {
            var connect = new ReceivedConnect(stream, peer, headers);
            if (listener._io.RunsInline)
            {
                _ = listener.HandleAsync(connect);
            }
            else
            {
                ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.listener.HandleAsync(work.connect), (listener, connect), preferLocal: false);
            }
        }
    }
}
