using System.Text;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// The write loop, and the frames that it sends beside streams' data. Whoever has something to send queues it under the lock, and
/// wakes the loop if it sleeps, which then runs on that thread: with one busy stream nothing ever changes threads. While it runs,
/// others only queue, and what they queued leaves together. Small frames go ahead of bulk.
/// </summary>
internal sealed class Http2Sender : ILoopWork
{
    /// <summary>DATA of this size is copied behind the control frames rather than queued.</summary>
    private const int SmallData = 2 * 1024;
    private const int SmallDataLimit = 48 * 1024;

    // Bytes that the loop sends before it gives way to the other connections of its thread.
    private const int TurnBudget = 512 * 1024;

    private readonly Lock _gate;
    private readonly Http2Transport _transport;
    private readonly PeerSettings _peer;
    private readonly WakeSignal _wake = new();
    private readonly LoopTurn _turn = new();
    private OutputBuffer _control = new();
    private OutputBuffer _sending = new();
    private int _controlFrames;
    private volatile bool _active = true;
    private bool _closed;
    private int _corkThread;
    private bool _corked;

    // The DATA frame at the end of the control frames, if there is one: small pieces of its stream join it.
    private Http2Stream? _tail;
    private int _tailStart;
    private int _tailEnd;

    public Http2Sender(Lock gate, Http2Transport transport, ConnectionWindows windows, PeerSettings peer, BufferShare? buffers)
    {
        _gate = gate;
        _transport = transport;
        _peer = peer;
        Windows = windows;
        Queue = new SendQueue(windows, peer, buffers);
    }

    public ConnectionWindows Windows { get; }

    public SendQueue Queue { get; }

    /// <summary>Under the lock: where frames are written that need no window. They leave in the order of writing.</summary>
    public OutputBuffer Control => _control;

    /// <summary>Bytes that wait to be sent. Any thread: a guess.</summary>
    public long Buffered => Queue.Held + _control.Length + _sending.Length;

    /// <summary>Answers that the peer has provoked and that wait to be sent. Under the lock.</summary>
    public int ControlFrames => _controlFrames;

    /// <summary>Runs until the connection is closed and its last words are sent.</summary>
    /// <param name="onEnded">Takes the streams whose end has left; called without the lock.</param>
    /// <exception cref="IOException">The transport failed.</exception>
    public async Task RunAsync(Action<Http2Stream> onEnded)
    {
        while (true)
        {
            await _wake.WaitAsync().ConfigureAwait(false);
            var sent = 0;
            var more = Fill(out var last);
            while (more)
            {
                for (var i = 0; i < Queue.SegmentCount; i++)
                {
                    await _transport.WriteAsync(Queue.Prepare(i)).ConfigureAwait(false);
                }

                await _transport.FlushAsync().ConfigureAwait(false);
                if (TryContinue(ref sent, out more, out last))
                {
                    continue;
                }

                TellStreams(onEnded);
                if (sent >= TurnBudget)
                {
                    sent = 0;
                    await _turn.NextAsync().ConfigureAwait(false);
                }

                more = Fill(out last);
            }

            if (last)
            {
                await _transport.CloseWriteAsync().ConfigureAwait(false);
                return;
            }
        }
    }

    /// <summary>The loop has failed: what it was about to send is given back.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            Queue.Abandon();
        }
    }

    /// <summary>Under the lock: no data is sent any more, and the loop ends when the control frames have left.</summary>
    public void Close() => _closed = true;

    /// <summary>After both loops: gives the buffers back.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _control.Release();
            _sending.Release();
        }
    }

    /// <summary>Under the lock: copies a small piece behind the control frames, if it may leave at once. False: nothing was taken.</summary>
    public bool TrySendSmall(Http2Stream stream, ReadOnlySpan<byte> bytes, bool endStream = false)
    {
        if (bytes.Length > SmallData || stream.Queued > 0 || _control.Length > SmallDataLimit || bytes.Length > stream.SendWindow || bytes.Length > Windows.Send)
        {
            return false;
        }

        // Pieces that come faster than they leave go into one frame: many of a few bytes would cost the peer far more than they carry.
        var joins = _tail == stream && _tailEnd == _control.Length && _tailEnd - _tailStart - FrameHeader.Size + bytes.Length <= Math.Min(_peer.MaxFrameSize, SmallDataLimit);
        if (!joins)
        {
            _tail = stream;
            _tailStart = _control.Length;
            _control.GetSpan(FrameHeader.Size);
            _control.Advance(FrameHeader.Size);
        }

        bytes.CopyTo(_control.GetSpan(bytes.Length));
        _control.Advance(bytes.Length);
        _tailEnd = _control.Length;
        FrameWriter.WriteDataHeader(_control.Buffer.AsSpan(_tailStart), stream.Id, _tailEnd - _tailStart - FrameHeader.Size, endStream);
        Queue.CountSent(stream, bytes.Length, newFrame: !joins);
        _tail = endStream ? null : _tail;
        return true;
    }

    /// <summary>Under the lock: END_STREAM in an empty frame, which needs no window.</summary>
    public void WriteEndStream(Http2Stream stream) =>
        _control.Advance(FrameWriter.WriteDataHeader(_control.GetSpan(FrameHeader.Size), stream.Id, 0, endStream: true));

    /// <summary>Under the lock.</summary>
    public void WriteReset(int streamId, Http2ErrorCode code)
    {
        _control.Advance(FrameWriter.WriteRstStream(_control.GetSpan(FrameWriter.MaxSmallFrame), streamId, code));
        CountAnswer();
    }

    /// <summary>Under the lock.</summary>
    public void WriteGoAway(int lastStreamId, Http2ErrorCode code, string? debug)
    {
        var text = debug is null ? [] : Encoding.UTF8.GetBytes(debug.Length > 256 ? debug[..256] : debug);
        _control.Advance(FrameWriter.WriteGoAway(_control.GetSpan(64 + text.Length), lastStreamId, code, text));
    }

    /// <summary>Under the lock.</summary>
    public void WritePing(ulong data, bool ack) => _control.Advance(FrameWriter.WritePing(_control.GetSpan(FrameWriter.MaxSmallFrame), data, ack));

    /// <summary>Under the lock. True: an update was written, and the loop has to be woken for it.</summary>
    /// <param name="streamId">Stream, or 0 for the connection.</param>
    /// <param name="increment">0: nothing is due.</param>
    public bool WriteWindowUpdate(int streamId, int increment)
    {
        if (increment == 0)
        {
            return false;
        }

        _control.Advance(FrameWriter.WriteWindowUpdate(_control.GetSpan(FrameWriter.MaxSmallFrame), streamId, increment));
        return true;
    }

    /// <summary>Under the lock, before the loop runs: what a connection says first (RFC 9113 section 3.4).</summary>
    public void WritePreface(Http2ConnectionOptions options, bool isServer)
    {
        if (!isServer)
        {
            Http2Constants.ClientPreface.CopyTo(_control.GetSpan(Http2Constants.ClientPreface.Length));
            _control.Advance(Http2Constants.ClientPreface.Length);
        }

        ReadOnlySpan<Setting> settings =
            [
                isServer ? new(SettingId.MaxConcurrentStreams, (uint)options.MaxConcurrentStreams) : new(SettingId.EnablePush, 0),
                new(SettingId.InitialWindowSize, (uint)options.StreamWindowSize),
                new(SettingId.MaxFrameSize, (uint)options.MaxFrameSize),
                new(SettingId.MaxHeaderListSize, (uint)options.MaxHeaderListSize),
                new(SettingId.EnableConnectProtocol, 1),
            ];
        _control.Advance(FrameWriter.WriteSettings(_control.GetSpan(128), options.ExtendedConnect && isServer ? settings : settings[..^1]));
        WriteWindowUpdate(0, Windows.RaiseToConfigured());
    }

    /// <summary>Under the lock: an answer that the peer provoked was written.</summary>
    public void CountAnswer() => _controlFrames++;

    /// <summary>Whether the loop is awake, or will be without being told. Any thread.</summary>
    public bool IsActive => _active;

    /// <summary>Under the lock: whether the caller has to <see cref="Kick"/> once it has left the lock.</summary>
    public bool Begin()
    {
        if (_active)
        {
            return false;
        }

        _active = true;
        return true;
    }

    /// <summary>
    /// After the lock: wakes the loop. On an event loop at the end of its turn, elsewhere on the read loop's thread when it has
    /// handled what it has read: so that what many events cause leaves together.
    /// </summary>
    public void Kick(bool kick)
    {
        if (!kick)
        {
            return;
        }

        if (EventLoop.Current is { } loop)
        {
            loop.AtEndOfTurn(this);
        }
        else if (_corkThread == Environment.CurrentManagedThreadId)
        {
            _corked = true;
        }
        else
        {
            _wake.Set();
        }
    }

    /// <summary>Starts the loop on what was written before.</summary>
    public void Start() => _wake.Set();

    /// <summary>Read loop: it begins to handle what it has read.</summary>
    public void Cork() => _corkThread = Environment.CurrentManagedThreadId;

    /// <summary>Under the lock, on the read loop while it is corked: something was queued, to be sent when what was read is handled.</summary>
    public void Due() => _corked |= Begin();

    /// <summary>Read loop: it has handled what it has read.</summary>
    public void Uncork()
    {
        _corkThread = 0;
        if (_corked)
        {
            _corked = false;
            Kick(true);
        }
    }

    void ILoopWork.Run() => _wake.Set();

    /// <summary>Takes what is to be sent next. False: nothing, and the loop may sleep; or, if <paramref name="last"/>, end.</summary>
    private bool Fill(out bool last)
    {
        lock (_gate)
        {
            return FillNeedsLock(out last);
        }
    }

    private bool FillNeedsLock(out bool last)
    {
        last = false;
        Queue.Begin();
        if (_control.Length > 0)
        {
            (_control, _sending) = (_sending, _control);
            _controlFrames = 0;
            _tail = null;
            Queue.TakeControl(_sending);
        }

        if (!_closed)
        {
            Queue.TakeData(SendQueue.BatchBudget - _sending.Length);
        }

        if (Queue.SegmentCount > 0)
        {
            return true;
        }

        last = _closed;
        if (!last)
        {
            _wake.Reset();
            _active = false;
        }

        return false;
    }

    /// <summary>The batch was sent: takes the next one at once. False: there are streams to be told of it first, or the turn is over.</summary>
    private bool TryContinue(ref int sent, out bool more, out bool last)
    {
        lock (_gate)
        {
            _sending.Release();
            sent += Queue.Complete();
            if (Queue.Ended.Count > 0 || Queue.Roomy.Count > 0 || sent >= TurnBudget)
            {
                more = last = false;
                return false;
            }

            more = FillNeedsLock(out last);
            return true;
        }
    }

    private void TellStreams(Action<Http2Stream> onEnded)
    {
        // Streams of which this was the last leave first; then writers that have room again go on, here, before the next turn, and
        // what they queue goes into it.
        foreach (var stream in Queue.Ended)
        {
            onEnded(stream);
        }

        foreach (var stream in Queue.Roomy)
        {
            stream.SignalRoom(true);
        }
    }
}
