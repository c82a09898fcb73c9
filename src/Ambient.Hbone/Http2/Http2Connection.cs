using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// One HTTP/2 connection (RFC 9113) whose streams are all of one <see cref="IStreamUse"/>: tunnels or messages. Two loops own it:
/// <see cref="Http2Receiver"/> takes frames, of which <see cref="FrameHandler"/> knows the meaning, and hands their content on without ever
/// waiting for a stream; <see cref="Http2Sender"/> sends what streams have queued, many frames at a time. What both need
/// (<see cref="StreamTable"/>, <see cref="ConnectionWindows"/>, <see cref="SendQueue"/>) is guarded by one lock, which is never held
/// across I/O. This part is the connection's life; the other is what its streams ask of it.
/// </summary>
internal sealed partial class Http2Connection : IAsyncDisposable
{
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Http2Transport _transport;
    private readonly Http2ConnectionOptions _options;
    private readonly bool _isServer;
    private readonly TimeProvider _time;
    private readonly Http2Receiver _receiver;
    private readonly IStreamUse _use;
    private readonly HeaderBlockAssembler _blocks;
    private readonly KeepAlive _keepAlive;
    private readonly Farewell _farewell = new();
    private readonly TaskCompletionSource _settingsReceived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _reading = Task.CompletedTask;
    private Task _writing = Task.CompletedTask;
    private Task _endings = Task.CompletedTask;
    private ITimer? _drainTimer;
    private int _disposed;
    private volatile bool _closeWhenEmpty;
    private volatile bool _closed;

    /// <summary>A connection of tunnels.</summary>
    /// <exception cref="ArgumentException">An option is out of range; the message names each.</exception>
    public Http2Connection(Http2Transport transport, Http2ConnectionOptions options, IHttp2Server? server, TimeProvider time)
        : this(transport, options, server is not null, new TunnelStreams(server, new ConnectHeaderReader(new HPackDecoder(), options.MaxHeaderListSize)), time)
    {
    }

    /// <summary>A connection whose streams are what <paramref name="use"/> makes of them.</summary>
    /// <exception cref="ArgumentException">An option is out of range; the message names each.</exception>
    public Http2Connection(Http2Transport transport, Http2ConnectionOptions options, bool isServer, IStreamUse use, TimeProvider time)
    {
        options.Validate();
        _transport = transport;
        _options = options;
        _isServer = isServer;
        _use = use;
        _time = time;
        Streams = new StreamTable(_isServer);
        Sender = new Http2Sender(Gate, transport, new ConnectionWindows(options), Peer, options.Buffers);
        _keepAlive = new KeepAlive(options, time);

        // A list that is merely too long is answered with 431; a block that could not be an honest one ends the connection.
        Guard = new Http2AbuseGuard(options.AbuseLimits, time, 2 * options.MaxHeaderListSize);
        _blocks = new HeaderBlockAssembler(Guard);
        var handler = new FrameHandler(this, _isServer, use, options, _blocks, Guard);
        _receiver = new Http2Receiver(transport, new FrameReader(handler, _blocks, options, _isServer), handler, Sender, options.WatchesHeads ? _blocks : null, time);
    }

    /// <summary>Called once for each stream that ended. From any thread, never under the lock.</summary>
    public Action<Http2Stream>? StreamEnded { get; set; }

    /// <summary>Completes when the peer's first SETTINGS came; fails when the connection ended before.</summary>
    public Task SettingsReceived => _settingsReceived.Task;

    /// <summary>Completes when both loops have ended and every stream's user knows. Never fails.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>What ended the connection, or null when it ended in order.</summary>
    public Exception? Error { get; private set; }

    /// <summary>Whose threads it lives on.</summary>
    public HboneIo Io => _options.Io;

    /// <summary>The loop that the connection's bytes come from, or null. What is relayed to it had better live there too.</summary>
    public EventLoop? Loop => _transport.Loop;

    /// <summary>Streams that may be open at the same time, by our limit and the peer's, which may change at any time.</summary>
    public int StreamLimit => (int)Math.Min((uint)_options.MaxConcurrentStreams, Peer.MaxConcurrentStreams);

    /// <summary>Since when the peer has owed the rest of a frame or header block, as a timestamp; 0: it does not, or nobody wants to know. Any thread.</summary>
    public long PartialSince => _receiver.PartialSince;

    /// <summary>Whether the peer takes extended CONNECTs (RFC 8441).</summary>
    public bool TakesExtendedConnect
    {
        get
        {
            lock (Gate)
            {
                return Peer.ExtendedConnect;
            }
        }
    }

    /// <summary>Whether a client may open streams, as it looks now: <see cref="Open"/> decides, under the lock.</summary>
    public bool CanOpen => !_closed && _farewell.MayOpen && Streams.NextId > 0;

    /// <summary>Streams that are open.</summary>
    public int OpenStreams
    {
        get
        {
            lock (Gate)
            {
                return Streams.Count;
            }
        }
    }

    /// <summary>Bytes of buffers that wait to be sent, because the peer does not read or opens no window. A guess while it changes.</summary>
    public long BufferedBytes => Sender.Buffered;

    /// <summary>Guards all that both loops and the streams' users share.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>Guards whom the bytes of a stream go to, for each of the streams: seldom needed, and never for long. Nobody takes <see cref="Gate"/> under it.</summary>
    internal Lock SinkGate { get; } = new();

    internal StreamTable Streams { get; }

    internal Http2Sender Sender { get; }

    /// <summary>What the peer's SETTINGS say. Under the lock.</summary>
    internal PeerSettings Peer { get; } = new();

    /// <summary>Under the lock: blocks leave in the order in which they are encoded.</summary>
    internal HPackEncoder Encoder { get; } = new();

    internal bool IsClosed => _closed;

    /// <summary>Counts what the peer sends. The read loop's.</summary>
    internal Http2AbuseGuard Guard { get; }

    /// <summary>Sends the preface and starts both loops.</summary>
    public void Start()
    {
        lock (Gate)
        {
            Sender.WritePreface(_options, _isServer);
        }

        _writing = WriteAsync();
        _reading = ReadAsync();
        Completion = CompleteAsync();
        Sender.Start();
    }

    /// <summary>
    /// Ends the connection in order: it closes when the last open stream has ended, at once when there is none. A server says so in
    /// two steps (see <see cref="Farewell"/>), so that no stream that is on its way is lost; a client simply opens no more.
    /// </summary>
    public void ShutDown()
    {
        bool kick;
        lock (Gate)
        {
            if (_closed || _farewell.Announced)
            {
                return;
            }

            if (_isServer && _settingsReceived.Task.IsCompletedSuccessfully)
            {
                var ping = _farewell.Announce();
                Sender.WriteGoAway(Farewell.NoLimit, Http2ErrorCode.NoError, null);
                Sender.WritePing(ping, ack: false);
                _drainTimer = _time.CreateTimer(static connection => ((Http2Connection)connection!).Conclude(), this, _options.DrainPingTimeout, Timeout.InfiniteTimeSpan);
                kick = Sender.Begin();
            }
            else
            {
                kick = ConcludeNeedsLock();
            }
        }

        Sender.Kick(kick);
        CloseIfDone();
    }

    /// <summary>Ends the connection and every stream on it at once.</summary>
    /// <param name="cause">Why, or null when it was wanted here.</param>
    public void Abort(Exception? cause)
    {
        Close(cause);
        _transport.Abort();
    }

    /// <summary>Ends the connection in order if it can: GOAWAY, then close; open streams end at once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            FailStreams(new StreamFault(StreamFaultOrigin.Connection, Http2ErrorCode.NoError), null);
            Conclude();
        }

        try
        {
            await Completion.WaitAsync(TimeSpan.FromSeconds(1), _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Abort(null);
            await Completion.ConfigureAwait(false);
        }
    }

    /// <summary>Called now and then by whoever owns the connection: pings when it is time, and ends a connection whose peer is silent.</summary>
    public void Tick()
    {
        var kick = false;
        bool silent;
        lock (Gate)
        {
            if (_closed)
            {
                return;
            }

            _keepAlive.Tick(out var ping, out silent);
            if (silent && _isServer && !_farewell.Final)
            {
                WriteGoAway(Http2ErrorCode.NoError, null);
            }

            if (ping is { } data)
            {
                Sender.WritePing(data, ack: false);
                kick = Sender.Begin();
            }
        }

        Sender.Kick(kick);
        if (silent)
        {
            Abort(new TimeoutException($"the peer has not answered a PING for {_options.PingTimeout.TotalSeconds:0.#} s"));
        }
    }

    /// <summary>Read loop: see <see cref="Http2Receiver.RunAfterRead(IAfterRead)"/>.</summary>
    internal void RunAfterRead(IAfterRead user) => _receiver.RunAfterRead(user);

    /// <summary>Read loop: what waits for the end of the read goes on now, before something else is said.</summary>
    internal void RunAfterRead() => _receiver.RunAfterRead();

    /// <summary>Read loop: the peer's first SETTINGS came.</summary>
    internal void OnFirstSettings() => _settingsReceived.TrySetResult();

    /// <summary>Read loop: a PING was acknowledged. False: it was none of ours.</summary>
    internal bool OnPingAck(ulong data)
    {
        bool due;
        lock (Gate)
        {
            due = _farewell.IsDue(data);
            if (!due)
            {
                return _keepAlive.OnAck(data);
            }
        }

        Conclude();
        return true;
    }

    /// <summary>Under the lock, on the read loop: the peer sent GOAWAY.</summary>
    internal void OnGoAwayReceived(Http2ErrorCode code)
    {
        _farewell.Received = true;
        _closeWhenEmpty |= Streams.Count == 0 && (!_isServer || code != Http2ErrorCode.NoError);
    }

    /// <summary>Under the lock: whether a stream that the peer opens is served.</summary>
    internal bool TakesStream(int id) => !_closed && id <= _farewell.LastStreamId;

    /// <summary>Closes once nothing is open and nothing new may come.</summary>
    internal void CloseIfDone()
    {
        // Whoever sets it calls here afterwards; so who does not see it set yet leaves it to him.
        if (!_closeWhenEmpty)
        {
            return;
        }

        bool done;
        lock (Gate)
        {
            done = _closeWhenEmpty && Streams.Count == 0 && !_closed;
            if (done && !_farewell.Final)
            {
                WriteGoAway(Http2ErrorCode.NoError, null);
            }
        }

        if (done)
        {
            Close(null);
        }
    }

    /// <summary>Says which stream is the last, and closes when those that are open have ended.</summary>
    private void Conclude()
    {
        bool kick;
        lock (Gate)
        {
            if (_closed || _closeWhenEmpty)
            {
                return;
            }

            kick = ConcludeNeedsLock();
        }

        Sender.Kick(kick);
        CloseIfDone();
    }

    private bool ConcludeNeedsLock()
    {
        if (!_farewell.Final)
        {
            WriteGoAway(Http2ErrorCode.NoError, null);
        }

        _drainTimer?.Dispose();
        _drainTimer = null;
        _closeWhenEmpty = true;
        return Sender.Begin();
    }

    /// <summary>Under the lock.</summary>
    private void WriteGoAway(Http2ErrorCode code, string? debug) => Sender.WriteGoAway(_farewell.Conclude(Streams.LastPeerId), code, debug);

    private async Task WriteAsync()
    {
        try
        {
            await Sender.RunAsync(OnEndSent).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Close(e);
            _transport.Abort();
            Sender.Abandon();
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            if (await _receiver.RunAsync().ConfigureAwait(false))
            {
                OnEndOfInput();
            }
            else
            {
                await _receiver.DiscardAsync().ConfigureAwait(false);
            }
        }
        catch (Http2ConnectionException e)
        {
            OnPeerAtFault(e);
            await DiscardAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Close(e);
        }
        finally
        {
            _receiver.Release();
            _blocks.Release();
        }
    }

    private async Task DiscardAsync()
    {
        try
        {
            await _receiver.DiscardAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is over either way.
        }
    }

    private void OnEndOfInput()
    {
        bool orderly;
        lock (Gate)
        {
            orderly = Streams.Count == 0 && (_farewell.Received || _farewell.Announced || _settingsReceived.Task.IsCompletedSuccessfully);
        }

        Close(orderly ? null : new IOException("the peer closed the connection"));
    }

    private void OnPeerAtFault(Http2ConnectionException fault)
    {
        lock (Gate)
        {
            if (!_closed)
            {
                WriteGoAway(fault.Code, fault.Message);
            }
        }

        Close(fault);
    }

    private async Task CompleteAsync()
    {
        // The first loop that ends has closed the connection. The peer gets a moment to take our last words and to hang up
        // itself: closing while bytes of its own lie unread here would reset the connection and lose what we sent.
        await Task.WhenAny(_reading, _writing).ConfigureAwait(false);
        var both = Task.WhenAll(_reading, _writing);
        try
        {
            await both.WaitAsync(LastWords, _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _transport.Abort();
            await both.ConfigureAwait(false);
        }

        Sender.Release();
        await _transport.DisposeAsync().ConfigureAwait(false);
        Task endings;
        lock (Gate)
        {
            endings = _endings;
        }

        await endings.ConfigureAwait(false);
    }

    /// <summary>Marks the connection closed, once, and fails what is open.</summary>
    private void Close(Exception? cause)
    {
        lock (Gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            Error = cause;
            Sender.Close();
            _drainTimer?.Dispose();
            _drainTimer = null;
        }

        _settingsReceived.TrySetException(cause ?? new IOException("the connection was closed before the peer's SETTINGS came"));
        _ = _settingsReceived.Task.Exception;

        // First, so that whoever tries again because a stream failed does not try here.
        _use.OnRoomChanged();
        FailStreams(new StreamFault(StreamFaultOrigin.Connection, Http2ErrorCode.NoError, cause), cause);
        bool kick;
        lock (Gate)
        {
            kick = Sender.Begin();
        }

        Sender.Kick(kick);
    }

    private void FailStreams(StreamFault fault, Exception? cause)
    {
        Http2Stream[] open;
        lock (Gate)
        {
            open = [.. Streams.Open];
            foreach (var stream in open)
            {
                if (cause is null && !_closed && !(stream.LocalEnded && stream.RemoteEnded))
                {
                    // What is cut off here must not look complete there, and NO_ERROR and CANCEL read as an end (docs/protocol.md, "Ends and aborts").
                    WriteReset(stream, Http2ErrorCode.InternalError);
                }

                Remove(stream, settle: true);
            }
        }

        EndFaulted(open, _ => fault);
    }
}
