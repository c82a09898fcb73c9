using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// The read loop: takes what the transport has and hands it to the <see cref="FrameReader"/>, without ever waiting for a stream.
/// Holds no buffer while nothing comes. What it does in one turn is bounded in bytes, reads and frames, so that a connection that
/// is busy with trifles keeps no other of its thread waiting.
/// </summary>
/// <param name="transport">Transport.</param>
/// <param name="frames">Takes what was read apart.</param>
/// <param name="handler">Knows what it means.</param>
/// <param name="sender">Sends what that causes.</param>
/// <param name="watched">The header blocks whose beginning is noted; null: nobody asks.</param>
/// <param name="time">Clock.</param>
internal sealed class Http2Receiver(
    Http2Transport transport, FrameReader frames, FrameHandler handler, Http2Sender sender, Headers.HeaderBlockAssembler? watched = null, TimeProvider? time = null)
{
    private const int ReadSize = IoBuffers.Large;

    // What a turn may cost. A frame costs something whatever is in it, and so does a read, which is a record of TLS at least.
    private const int TurnBudget = 512 * 1024;
    private const int FrameCost = 256;
    private const int ReadCost = 8 * 1024;

    /// <summary>Frames that a turn has room for.</summary>
    public const int FramesOfATurn = TurnBudget / FrameCost;

    // Bytes that are read after the end for the peer's sake.
    private const int MaxDiscarded = 4 * 1024 * 1024;

    // Places of a list that a connection keeps.
    private const int MaxKeptPlaces = 64;

    private readonly LoopTurn _turn = new();
    private readonly List<Woken> _afterRead = [];
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private int _spent;
    private long _partialSince;
    private bool _handling;

    /// <summary>See <see cref="Http2Connection.PartialSince"/>.</summary>
    public long PartialSince => Volatile.Read(ref _partialSince);

    /// <summary>
    /// Read loop: something came for somebody, who goes on when all that was read has been handled, or the connection or a stream is about to be broken
    /// off: a message that came with one read, head, body and end, is then passed on in one go and in one frame. Whoever goes on looks again at what there
    /// is, so that a wake for nothing does no harm.
    /// </summary>
    public void RunAfterRead(IAfterRead user)
    {
        if (!_handling)
        {
            user.OnReadHandled();
        }
        else if (_afterRead.Count == 0 || _afterRead[^1].User != user)
        {
            _afterRead.Add(new Woken(user));
        }
    }

    /// <summary>Read loop: they go on now.</summary>
    public void RunAfterRead()
    {
        // What they do brings no others: only the handling of frames does.
        try
        {
            for (var i = 0; i < _afterRead.Count; i++)
            {
                _afterRead[i].User.OnReadHandled();
            }
        }
        finally
        {
            // Nobody goes on twice, whatever a handler has thrown.
            _afterRead.Clear();
            if (_afterRead.Capacity > MaxKeptPlaces)
            {
                _afterRead.Capacity = 0;
            }
        }
    }

    /// <summary>Reads until the connection is closed, or the peer ends it.</summary>
    /// <returns>Whether it was the peer.</returns>
    /// <exception cref="Framing.Http2ConnectionException">The peer has broken the connection.</exception>
    /// <exception cref="IOException">The transport failed.</exception>
    public async Task<bool> RunAsync()
    {
        while (!handler.IsClosed)
        {
            if (_start == _end)
            {
                Release();
            }

            // A wait that was none has let nobody else run.
            var wait = transport.WaitToReadAsync();
            _spent = wait.IsCompleted ? _spent : 0;
            await wait.ConfigureAwait(false);
            int count;
            do
            {
                if (_spent >= TurnBudget)
                {
                    _spent = 0;
                    await _turn.NextAsync().ConfigureAwait(false);
                }

                MakeSpace();
                count = transport.TryRead(_buffer.AsMemory(_end));
                if (count < 0)
                {
                    return true;
                }

                _end += count;
                _spent += ReadCost + count;
                while (count > 0 && Process() && !handler.IsClosed)
                {
                    _spent = 0;
                    await _turn.NextAsync().ConfigureAwait(false);
                }
            }
            while (count > 0 && !handler.IsClosed);
        }

        return false;
    }

    /// <summary>After the end: reads what the peer sent before it knew, up to its own end. The caller bounds the time.</summary>
    public async Task DiscardAsync()
    {
        _buffer ??= IoBuffers.Rent(ReadSize);
        for (var discarded = 0; discarded < MaxDiscarded;)
        {
            await transport.WaitToReadAsync().ConfigureAwait(false);
            int count;
            do
            {
                count = transport.TryRead(_buffer);
                discarded += Math.Max(count, 1);
            }
            while (count > 0 && discarded < MaxDiscarded);

            if (count < 0)
            {
                return;
            }
        }
    }

    /// <summary>Gives the buffer back.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            IoBuffers.Return(_buffer);
            _buffer = null;
        }

        _start = _end = 0;
    }

    /// <summary>Handles what is in the buffer. True: the turn is over, and there may be more.</summary>
    private bool Process()
    {
        handler.CheckAnswers();
        var budget = Math.Max(1, (TurnBudget - _spent) / FrameCost);
        var handled = budget;
        sender.Cork();
        var start = _start;
        _handling = true;
        try
        {
            _start += frames.Process(_buffer.AsSpan(_start, _end - _start), ref handled);
        }
        finally
        {
            _handling = false;
            try
            {
                RunAfterRead();
            }
            finally
            {
                sender.Uncork();
            }
        }

        if (watched is not null)
        {
            NotePartial(watched, progress: _start > start);
        }

        _spent += handled * FrameCost;
        return handled >= budget;
    }

    /// <summary>A frame that has begun, or a block, owes its rest from the first byte on; a later frame of the same block does not begin anew.</summary>
    private void NotePartial(Headers.HeaderBlockAssembler blocks, bool progress)
    {
        if (_start == _end && !blocks.IsOpen)
        {
            _partialSince = 0;
        }
        else if (_partialSince == 0 || (progress && !blocks.IsOpen))
        {
            Volatile.Write(ref _partialSince, time!.GetTimestamp());
        }
    }

    private void MakeSpace()
    {
        if (_buffer is null)
        {
            _buffer = IoBuffers.Rent(ReadSize);
            _start = _end = 0;
            return;
        }

        if (_start == _end)
        {
            _start = _end = 0;
            return;
        }

        if (_buffer.Length - _end >= Http2Transport.MinReadSpace)
        {
            return;
        }

        var left = _end - _start;
        var old = _buffer;
        if (old.Length - left < Http2Transport.MinReadSpace)
        {
            _buffer = IoBuffers.Rent(left + Http2Transport.MinReadSpace);
        }

        old.AsSpan(_start, left).CopyTo(_buffer);
        if (!ReferenceEquals(old, _buffer))
        {
            IoBuffers.Return(old);
        }

        _start = 0;
        _end = left;
    }

    // An array of interfaces would be asked each time whether it may hold what is put into it.
    private readonly record struct Woken(IAfterRead User);
}
