using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// One HTTP/2 connection that carries CONNECT streams and nothing else (RFC 9113). Two loops own it: the read loop takes
/// frames and hands their content on without ever waiting for a stream; the write loop sends what streams have queued,
/// many frames at a time. Everything that both need is guarded by one lock, which is never held across I/O.
/// </summary>
internal sealed partial class Http2Connection : IAsyncDisposable, ILoopWork
{
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Http2Transport _transport;
    private readonly Http2ConnectionOptions _options;
    private readonly IHttp2Server? _server;
    private readonly TimeProvider _time;
    private readonly Http2AbuseGuard _guard;
    private readonly PeerSettings _peer = new();
    private readonly ConnectHeaderReader _headerReader;
    private readonly HeaderBlockAssembler _blocks;
    private readonly HPackEncoder _encoder = new();
    private readonly Dictionary<int, Http2Stream> _streams = [];
    private readonly TaskCompletionSource _settingsReceived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _reading = Task.CompletedTask;
    private Task _writing = Task.CompletedTask;
    private int _disposed;

    // Streams: the next that we open, and the last that the peer opened.
    private int _nextStreamId = 1;
    private int _lastPeerStreamId;

    // Endings. Draining: no new stream begins here, those that are open go on. Closed: nothing goes on.
    private bool _goAwaySent;
    private bool _goAwayReceived;
    private bool _closeWhenEmpty;
    private Exception? _closedBy;
    private bool _closed;

    public Http2Connection(Http2Transport transport, Http2ConnectionOptions options, IHttp2Server? server, TimeProvider time)
    {
        _transport = transport;
        _options = options;
        _server = server;
        _time = time;

        // A list that is merely too long is answered with 431; a block that could not be an honest one ends the connection.
        _guard = new Http2AbuseGuard(options.AbuseLimits, time, 2 * options.MaxHeaderListSize);
        _blocks = new HeaderBlockAssembler(_guard);
        _headerReader = new ConnectHeaderReader(new HPackDecoder(), options.MaxHeaderListSize);
        _receiveWindow = Http2Constants.DefaultWindowSize;
        _sendWindow = Http2Constants.DefaultWindowSize;
        _pingSince = time.GetTimestamp();
    }

    /// <summary>Called once for each stream that ended. From any thread, never under the lock.</summary>
    public Action<Http2Stream>? StreamEnded { get; set; }

    /// <summary>Completes when the peer's first SETTINGS came; fails when the connection ended before.</summary>
    public Task SettingsReceived => _settingsReceived.Task;

    /// <summary>Completes when both loops have ended. Never fails.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>What ended the connection, when it was no orderly end.</summary>
    public Exception? Error => _closedBy;

    /// <summary>The loop that the connection's bytes come from, or null. What is relayed to it had better live there too.</summary>
    public EventLoop? Loop => _transport.Loop;

    private bool IsServer => _server is not null;

    /// <summary>Streams that may be open at the same time, by our limit and the peer's.</summary>
    public int StreamLimit
    {
        get
        {
            lock (_gate)
            {
                return (int)Math.Min((uint)_options.MaxConcurrentStreams, _peer.MaxConcurrentStreams);
            }
        }
    }

    /// <summary>Whether a client may open streams.</summary>
    public bool CanOpen
    {
        get
        {
            lock (_gate)
            {
                return !_closed && !_goAwayReceived && !_goAwaySent && _nextStreamId > 0;
            }
        }
    }

    /// <summary>Streams that are open.</summary>
    public int OpenStreams
    {
        get
        {
            lock (_gate)
            {
                return _streams.Count;
            }
        }
    }

    /// <summary>Sends the preface and starts both loops.</summary>
    public void Start()
    {
        lock (_gate)
        {
            WritePreface();
        }

        _writing = WriteLoopAsync();
        _reading = ReadLoopAsync();
        Completion = CompleteAsync();
        Kick();
    }

    /// <summary>Opens a stream and sends its CONNECT.</summary>
    /// <exception cref="IOException">The connection takes no new streams.</exception>
    public Http2Stream Open(in ConnectRequestHeaders request, IHttp2StreamOwner owner)
    {
        Http2Stream stream;
        bool kick;
        lock (_gate)
        {
            if (_closed || _goAwayReceived || _goAwaySent || _nextStreamId < 0)
            {
                throw new IOException("the connection takes no new streams");
            }

            ConnectHeaderWriter.WriteRequest(_control, _encoder, _nextStreamId, request, endStream: false, _peer.MaxFrameSize);
            stream = new Http2Stream(this, _nextStreamId)
            {
                Owner = owner,
                SendWindow = _peer.InitialWindowSize,
                ReceiveWindow = _options.StreamWindowSize,
            };
            _nextStreamId += 2;
            _streams.Add(stream.Id, stream);
            kick = BeginWriting();
        }

        Kick(kick);
        return stream;
    }

    /// <summary>Server: answers a CONNECT.</summary>
    /// <param name="stream">Stream.</param>
    /// <param name="status">Status; anything but 200 ends the stream.</param>
    /// <param name="baggage">The <c>baggage</c> response header, or null.</param>
    public void Respond(Http2Stream stream, int status, string? baggage)
    {
        bool kick;
        var ended = false;
        lock (_gate)
        {
            if (stream.Removed || stream.Answered || _closed)
            {
                return;
            }

            stream.Answered = true;
            ConnectHeaderWriter.WriteResponse(_control, _encoder, stream.Id, new ConnectResponseHeaders(status, baggage), endStream: status != 200, _peer.MaxFrameSize);
            CountControlFrame();
            if (status != 200)
            {
                stream.LocalEnded = true;

                // The rest of the request will not be read (RFC 9113 section 8.1).
                if (!stream.RemoteEnded)
                {
                    WriteReset(stream.Id, Http2ErrorCode.NoError);
                }

                Remove(stream, settle: true);
                ended = true;
            }

            kick = BeginWriting();
        }

        Kick(kick);
        if (ended)
        {
            stream.DeliverFault(new StreamFault(StreamFaultOrigin.Local, Http2ErrorCode.NoError));
            StreamEnded?.Invoke(stream);
            CloseIfDone();
        }
    }

    /// <summary>
    /// Stops taking new streams and tells the peer with GOAWAY; the connection closes when the last open stream ends, at
    /// once when there is none.
    /// </summary>
    public void ShutDown()
    {
        bool kick;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            if (!_goAwaySent)
            {
                WriteGoAway(Http2ErrorCode.NoError, null);
            }

            _closeWhenEmpty = true;
            kick = BeginWriting();
        }

        Kick(kick);
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
            ShutDown();
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

        ReleaseOutput();
        await _transport.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Marks the connection closed, once, and fails what is open.</summary>
    private bool Close(Exception? cause)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            _closed = true;
            _closedBy = cause;
        }

        if (cause is null)
        {
            _settingsReceived.TrySetException(new IOException("the connection was closed before the peer's SETTINGS came"));
        }
        else
        {
            _settingsReceived.TrySetException(cause);
        }

        _ = _settingsReceived.Task.Exception;
        FailStreams(new StreamFault(StreamFaultOrigin.Connection, Http2ErrorCode.NoError, cause), cause);
        Kick(BeginWritingUnlocked());
        return true;
    }

    private void FailStreams(StreamFault fault, Exception? cause)
    {
        Http2Stream[] open;
        lock (_gate)
        {
            open = [.. _streams.Values];
            foreach (var stream in open)
            {
                if (cause is null && !_closed && !(stream.LocalEnded && stream.RemoteEnded))
                {
                    // Not CANCEL, which reads as an end (reference 2.5): what is cut off here must not look complete there.
                    WriteReset(stream.Id, Http2ErrorCode.InternalError);
                }

                Remove(stream, settle: true);
            }
        }

        foreach (var stream in open)
        {
            EndFaulted(stream, fault);
        }
    }

    /// <summary>After the lock: tells everyone who waits on a stream that it is over.</summary>
    private void EndFaulted(Http2Stream stream, StreamFault fault)
    {
        bool writerWaits;
        lock (_gate)
        {
            (writerWaits, stream.WriterWaits) = (stream.WriterWaits, false);
        }

        if (writerWaits)
        {
            stream.SignalRoom(false);
        }

        stream.DeliverFault(fault);
        StreamEnded?.Invoke(stream);
    }

    /// <summary>
    /// Under the lock: takes a stream out of the table. Its queued data is dropped. True: its credit has made a WINDOW_UPDATE, and
    /// a caller that writes nothing else wakes the loop for it: other streams may wait for just that.
    /// </summary>
    private bool Remove(Http2Stream stream, bool settle)
    {
        if (stream.Removed)
        {
            return false;
        }

        var update = false;
        stream.Removed = true;
        _streams.Remove(stream.Id);
        DropQueued(stream);
        ForgetRemoved();
        if (settle)
        {
            stream.Settled = true;
            update = ReturnConnectionCredit(stream.Unconsumed);
            stream.Unconsumed = 0;
        }

        if (_streams.Count == 0 && _goAwayReceived)
        {
            _closeWhenEmpty = true;
        }

        return update;
    }
}
