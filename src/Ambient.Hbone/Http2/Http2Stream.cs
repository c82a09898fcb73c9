using System.Threading.Tasks.Sources;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// One CONNECT stream. The connection guards what concerns the wire (windows, queue, which halves have ended) with its
/// own lock; with another one, of all its streams, the stream guards only whom received bytes go to.
/// </summary>
internal sealed partial class Http2Stream : IValueTaskSource<bool>
{
    // What a user of pipes may have waiting, and behind a closed window: writers do not expect the first flush to wait for the reader.
    private const int PipeSendLimit = 256 * 1024;
    private const int PipeSendAhead = 64 * 1024;

    // Set once, under the lock and when it has been told what came before; whoever sees it needs no lock.
    private volatile IStreamSink? _sink;
    private ChunkQueue? _early;
    private bool _ended;
    private CancellationTokenSource? _closed;
    private bool _isClosed;
    private ManualResetValueTaskSourceCore<bool> _room;

    public Http2Stream(Http2Connection connection, int id)
    {
        Connection = connection;
        Id = id;

        // Whoever waits may be anybody's code.
        InlineWriter = false;
    }

    public Http2Connection Connection { get; }

    public int Id { get; }

    /// <summary>The response or request that opened it, as far as it was received.</summary>
    public IHttp2StreamOwner? Owner { get; set; }

    /// <summary>Why it ended before its time, or null.</summary>
    public StreamFault? Fault { get; private set; }

    /// <summary>Whether a writer that waited for room goes on where the room was made, or on the thread pool.</summary>
    public bool InlineWriter { set => _room.RunContinuationsAsynchronously = !value; }

    /// <summary>Cancelled when both halves have ended, or the stream has failed.</summary>
    public CancellationToken Closed
    {
        get
        {
            if (!Volatile.Read(ref _isClosed) && Volatile.Read(ref _closed) is null)
            {
                Interlocked.CompareExchange(ref _closed, new CancellationTokenSource(), null);
            }

            // Looked at once there is a source: whoever ends the stream says so first and looks for the source then, so that one of the two sees the other.
            return Volatile.Read(ref _isClosed) ? new CancellationToken(true) : _closed!.Token;
        }
    }

    /// <summary>Bytes from which on a writer has to wait until some have left, while the windows are open. 1: it waits until all have left.</summary>
    public int SendLimit { get; set; } = PipeSendLimit;

    /// <summary>
    /// Bytes that a writer may have waiting behind a closed window before it has to wait. 0 for one that has a source to leave
    /// them in: it holds what it has read in one go.
    /// </summary>
    public int SendAhead { get; set; } = PipeSendAhead;

    /// <summary>Directs what is received to a sink, once.</summary>
    public void Attach(IStreamSink sink)
    {
        StreamFault? fault;
        lock (Connection.SinkGate)
        {
            if (_sink is not null)
            {
                throw new InvalidOperationException("the tunnel is already read by another way");
            }

            sink.Begin(_early, _ended);
            _early = null;
            _sink = sink;
            fault = Fault;
        }

        if (fault is not null)
        {
            sink.OnFault(fault);
        }
    }

    /// <summary>The same under the connection's lock as the stream is opened here: who finds it has held that lock since, and nothing has come for it.</summary>
    public void AttachUnseen(IStreamSink sink)
    {
        sink.Begin(early: null, ended: false);
        _sink = sink;
    }

    /// <summary>Bytes left the sink: the peer may send as many more.</summary>
    public void Consumed(int bytes) => Connection.ReturnCredit(this, bytes);

    /// <summary>Bytes worth reading now from what the stream is to carry; 0: wait for room first. See <see cref="SendQueue.ReadAhead"/>.</summary>
    public int ReadAhead(int size) => Connection.Sender.Queue.ReadAhead(this, size);

    /// <summary>How many times as much in one go. See <see cref="SendQueue.PiecesAhead"/>.</summary>
    public int PiecesAhead(int piece) => Connection.Sender.Queue.PiecesAhead(this, piece);

    /// <summary>Sends bytes if they can leave at once, by copying them. False: nothing was taken.</summary>
    public bool TryWrite(ReadOnlySpan<byte> bytes) => Connection.TrySendSmall(this, bytes);

    /// <summary>
    /// Sends bytes from a buffer of <see cref="IoBuffers"/>, which it takes over. Completes when there is room for more;
    /// with false when the stream can send nothing any more.
    /// </summary>
    /// <param name="buffer">Buffer.</param>
    /// <param name="offset">Where the bytes begin: at least <see cref="FrameHeader.Size"/>, for the frame header in front.</param>
    /// <param name="count">How many.</param>
    public ValueTask<bool> WriteAsync(byte[] buffer, int offset, int count) => Connection.Send(this, buffer, offset, count);

    /// <summary>The same without a wait, for what has to be queued in any case. False when the stream can send nothing any more.</summary>
    public bool Queue(byte[] buffer, int offset, int count) => Connection.Queue(this, buffer, offset, count);

    /// <summary>Completes as a write does. One at a time: not to be called before the last wait has completed.</summary>
    public ValueTask<bool> WaitForRoomAsync() => Connection.WaitForRoom(this);

    /// <summary>Half-closes after what was written.</summary>
    public void EndWrite() => Connection.EndStream(this);

    /// <summary>Ends both halves at once. Nothing happens when they have ended already.</summary>
    public void Reset(Http2ErrorCode code) => Connection.ResetStream(this, code);

    /// <summary>
    /// Nobody uses the stream any more: what was written and ended still leaves, and the stream is reset after that if the
    /// peer has not ended its half; without an end of ours it is reset at once.
    /// </summary>
    public void Release(Http2ErrorCode code)
    {
        Connection.ReleaseStream(this, code);
        if (_sink is not null)
        {
            return;
        }

        var unread = 0;
        lock (Connection.SinkGate)
        {
            if (_sink is null && _early is not null)
            {
                unread = _early.Length;
                _early.Clear();
            }
        }

        // A tunnel that was never read: both halves may have ended in order, and then nobody has settled its credit.
        Consumed(unread);
    }

    /// <summary>Read loop: bytes came.</summary>
    internal void DeliverData(ReadOnlySpan<byte> data)
    {
        var sink = _sink;
        if (sink is not null)
        {
            sink.OnData(data);
            return;
        }

        lock (Connection.SinkGate)
        {
            if (_sink is null)
            {
                // After a fault nobody waits for more, and the connection has settled the credit.
                if (Fault is null)
                {
                    (_early ??= new ChunkQueue()).Append(data);
                }

                return;
            }

            sink = _sink;
        }

        sink.OnData(data);
    }

    /// <summary>Read loop, before anybody can be attached: the request ends with its head.</summary>
    internal void BeginEnded() => _ended = true;

    /// <summary>Read loop: the peer half-closed.</summary>
    internal void DeliverEnd()
    {
        var sink = _sink;
        if (sink is null)
        {
            lock (Connection.SinkGate)
            {
                _ended = true;
                sink = _sink;
            }
        }

        sink?.OnEnd();
    }

    /// <summary>The stream is over before its time.</summary>
    internal void DeliverFault(StreamFault fault)
    {
        IStreamSink? sink;
        lock (Connection.SinkGate)
        {
            if (Fault is not null)
            {
                return;
            }

            Fault = fault;
            sink = _sink;
        }

        sink?.OnFault(fault);
        Owner?.OnFault(fault);
        OnClosed();
    }

    /// <summary>Both halves are over.</summary>
    internal void OnClosed()
    {
        // First, see Closed.
        Interlocked.Exchange(ref _isClosed, true);

        // Callbacks are other people's code: not on the thread that moves bytes, and what they throw is not ours.
        _ = Volatile.Read(ref _closed)?.CancelAsync();
    }

    internal ValueTask<bool> WaitForRoom()
    {
        _room.Reset();
        return new ValueTask<bool>(this, _room.Version);
    }

    internal void SignalRoom(bool writable) => _room.SetResult(writable);

    /// <summary>As <see cref="SignalRoom"/> with false; the writer goes on on the connection's thread, and not within the call.</summary>
    internal void RefuseRoomLater()
    {
        var work = new RefusedRoom(this);
        if (Connection.Loop?.RunLater(work) != true)
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
        }
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _room.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _room.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _room.OnCompleted(continuation, state, token, flags);

    private sealed class RefusedRoom(Http2Stream stream) : ILoopWork, IThreadPoolWorkItem
    {
        public void Run() => stream.SignalRoom(false);

        public void Execute() => Run();
    }
}
