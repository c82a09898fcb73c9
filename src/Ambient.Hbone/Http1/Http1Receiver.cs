using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// What is received on a connection: bytes for a parser of heads, then the body that the head announced, lent from the buffer it was received in. No
/// buffer is held while nothing is there. One reader at a time.
/// </summary>
internal sealed class Http1Receiver(MessageChannel channel, int maxTrailerSize, int maxFields)
{
    private readonly ChunkedDecoder _chunks = new(maxTrailerSize, maxFields);
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private int _lent;
    private bool _lentByChannel;
    private int _size = IoBuffers.Small;
    private bool _ended;
    private Http1BodyKind _kind;
    private long _left;

    /// <summary>Bytes that are there.</summary>
    public ReadOnlySpan<byte> Available => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Whether the peer has ended its direction, and everything before that was received.</summary>
    public bool HasEnded => _ended;

    /// <summary>Whether the body has come to its end, so that a next message may begin.</summary>
    public bool IsComplete { get; private set; } = true;

    /// <summary>Whether all that is left of the body is here. Not known of chunks before they are looked at.</summary>
    public bool HasWholeBody => _kind == Http1BodyKind.Length && _end - _start - _lent >= _left;

    /// <summary>Bytes of the body so far.</summary>
    public long BodyBytes { get; private set; }

    /// <summary>Trailers of the body.</summary>
    public HttpFields Trailers { get; } = new();

    /// <summary>Bytes of <see cref="Available"/> are done with.</summary>
    public void Consume(int count)
    {
        _start += count;
        if (_start == _end && _lent == 0)
        {
            GiveBack();
        }
    }

    /// <summary>Receives more if it is there: true; false: nothing is there now, or the peer has ended (<see cref="HasEnded"/>).</summary>
    /// <exception cref="SocketException">The channel failed.</exception>
    /// <exception cref="IOException">The channel failed.</exception>
    public bool TryFill()
    {
        if (_ended || channel.IsDrained)
        {
            return false;
        }

        MakeSpace();
        var space = _buffer.AsSpan(_end);
        var count = channel.TryReceive(space, out var error);
        if (count > 0)
        {
            _end += count;
            if (count == space.Length)
            {
                _size = Math.Min(_size * 4, IoBuffers.Large);
            }

            return true;
        }

        if (_start == _end)
        {
            GiveBack();
        }

        if (count < 0 && error != SocketError.WouldBlock)
        {
            throw new SocketException((int)error);
        }

        _ended = count == 0;
        return false;
    }

    /// <summary>Completes when there may be more. May complete for nothing.</summary>
    public ValueTask WaitAsync() => channel.WaitToReceiveAsync();

    /// <summary>The head is done with, and this follows it.</summary>
    public void BeginBody(in Http1Framing framing)
    {
        (_kind, _left) = (framing.Kind, framing.Length);
        BodyBytes = 0;
        Trailers.Clear();
        IsComplete = _kind == Http1BodyKind.None || (_kind == Http1BodyKind.Length && _left == 0);
        if (_kind == Http1BodyKind.Chunked)
        {
            _chunks.Reset();
        }
    }

    /// <summary>From here on everything belongs to another protocol, until the peer ends.</summary>
    public void BeginRaw() => BeginBody(new Http1Framing(Http1BodyKind.UntilClose, 0, KeepAlive: false));

    /// <summary>As <see cref="MessageExchange.TryRead"/>.</summary>
    /// <exception cref="Http1Exception">The chunked coding is broken.</exception>
    /// <exception cref="SocketException">The channel failed.</exception>
    /// <exception cref="IOException">The channel failed, or ended within the body.</exception>
    public bool TryRead(out ReadOnlyMemory<byte> piece)
    {
        ReturnLent();
        while (!IsComplete)
        {
            if (TryTake(out piece))
            {
                return true;
            }

            if (IsComplete || TryFill())
            {
                continue;
            }

            if (!_ended)
            {
                return false;
            }

            if (_kind != Http1BodyKind.UntilClose)
            {
                throw new EndOfStreamException(_kind == Http1BodyKind.Length
                    ? $"the body ended {_left} bytes before its announced length"
                    : "the body ended before its last chunk");
            }

            IsComplete = true;
        }

        piece = default;
        return true;
    }

    /// <summary>Gives everything back. Nothing is read from here on.</summary>
    public void Release()
    {
        if (_lentByChannel)
        {
            ReturnLent();
        }

        _lent = 0;
        _start = _end = 0;
        GiveBack();
    }

    /// <summary>The piece that was lent is not used any more.</summary>
    public void ReturnLent()
    {
        if (_lent > 0)
        {
            var lent = _lent;
            _lent = 0;
            if (_lentByChannel)
            {
                _lentByChannel = false;
                channel.Return(lent);
            }
            else
            {
                Consume(lent);
            }
        }
    }

    private bool TryTake(out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        var available = _end - _start;
        if (available == 0)
        {
            return _kind != Http1BodyKind.Chunked && TryLend(out piece);
        }

        if (_kind == Http1BodyKind.Chunked)
        {
            int done, dataStart, dataLength;
            while (true)
            {
                done = _chunks.Decode(Available, Trailers, out dataStart, out dataLength);
                if (dataLength > 0)
                {
                    break;
                }

                IsComplete = _chunks.IsDone;
                Consume(done);
                if (IsComplete || done == 0 || _start == _end)
                {
                    // What is left is less than a line: more must come before it says anything.
                    return false;
                }
            }

            piece = _buffer.AsMemory(_start + dataStart, dataLength);
            _lent = done;
            BodyBytes += dataLength;
            return true;
        }

        piece = _buffer.AsMemory(_start, Take(available));
        return true;
    }

    /// <summary>A body whose bytes need no decoding goes on from where the channel keeps it.</summary>
    private bool TryLend(out ReadOnlyMemory<byte> piece)
    {
        if (!channel.TryLend(out piece))
        {
            return false;
        }

        _lentByChannel = true;
        piece = piece[..Take(piece.Length)];
        return true;
    }

    /// <summary>So many bytes are there: those of them that belong to the body are lent.</summary>
    private int Take(int available)
    {
        if (_kind == Http1BodyKind.Length)
        {
            available = (int)Math.Min(available, _left);
            _left -= available;
            IsComplete = _left == 0;
        }

        _lent = available;
        BodyBytes += available;
        return available;
    }

    private void MakeSpace()
    {
        if (_buffer is null)
        {
            _buffer = IoBuffers.Rent(_size);
            _start = _end = 0;
            return;
        }

        if (_start == _end)
        {
            _start = _end = 0;
        }

        if (_end < _buffer.Length)
        {
            return;
        }

        var left = _end - _start;
        var old = _buffer;
        if (left > old.Length / 2)
        {
            _buffer = IoBuffers.Rent(old.Length + 1);
        }

        old.AsSpan(_start, left).CopyTo(_buffer);
        if (!ReferenceEquals(old, _buffer))
        {
            IoBuffers.Return(old);
        }

        (_start, _end) = (0, left);
    }

    private void GiveBack()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            _start = _end = 0;
            IoBuffers.Return(buffer);
        }
    }
}
