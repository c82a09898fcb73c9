using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// Gathers what is sent on a channel, so that a head and the first of its body, or the frames of a turn, leave together, in one buffer that is given
/// back with each flush. One writer at a time.
/// </summary>
internal sealed class ChannelSender(IByteChannel channel)
{
    // In front of the bytes there is room for the frame header of a tunnel, which then takes the buffer as it is.
    private const int Start = FrameHeader.Size;

    private const int LargestGathered = IoBuffers.Piece - Start;

    private byte[]? _buffer;
    private int _end = Start;

    /// <summary>Whether bytes wait for a flush.</summary>
    public bool HasPending => _end > Start;

    /// <summary>Room for bytes that are written next, up to what is asked for; the rest is said by <see cref="Advance"/>. Sends what is in the way.</summary>
    /// <exception cref="IOException">The channel failed.</exception>
    /// <exception cref="SocketException">The channel failed.</exception>
    public ValueTask ReserveAsync(int size)
    {
        if (_buffer is not null && _buffer.Length - _end >= size)
        {
            return default;
        }

        if (_end - Start + size > LargestGathered && HasPending)
        {
            return FlushAndReserveAsync(size);
        }

        Grow(size);
        return default;
    }

    /// <summary>The room that was reserved.</summary>
    public Span<byte> Space => _buffer.AsSpan(_end);

    /// <summary>Bytes were written to <see cref="Space"/>.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Takes bytes, and sends as soon as there are many.</summary>
    /// <exception cref="IOException">The channel failed.</exception>
    /// <exception cref="SocketException">The channel failed.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_end - Start + bytes.Length > LargestGathered)
        {
            return WritePiecesAsync(bytes);
        }

        if (_buffer is null || _buffer.Length - _end < bytes.Length)
        {
            Grow(bytes.Length);
        }

        bytes.Span.CopyTo(Space);
        _end += bytes.Length;
        return default;
    }

    /// <summary>Sends what was taken.</summary>
    /// <exception cref="IOException">The channel failed.</exception>
    /// <exception cref="SocketException">The channel failed.</exception>
    public ValueTask FlushAsync()
    {
        if (!HasPending)
        {
            return default;
        }

        var (buffer, count) = (_buffer!, _end - Start);
        var sent = channel.TrySend(buffer.AsSpan(Start, count), out var error);
        if (sent < 0 && error != SocketError.WouldBlock)
        {
            Release();
            return ValueTask.FromException(new SocketException((int)error));
        }

        sent = Math.Max(sent, 0);
        if (sent == count)
        {
            Release();
            return default;
        }

        (_buffer, _end) = (null, Start);
        return channel.SendOwnedAsync(buffer, Start + sent, count - sent);
    }

    /// <summary>Drops what was not sent.</summary>
    public void Release()
    {
        if (_buffer is { } buffer)
        {
            (_buffer, _end) = (null, Start);
            IoBuffers.Return(buffer);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask FlushAndReserveAsync(int size)
    {
        await FlushAsync().ConfigureAwait(false);
        Grow(size);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WritePiecesAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = Math.Min(bytes.Length, LargestGathered - (_end - Start));
            if (count > 0)
            {
                Grow(count);
                bytes.Span[..count].CopyTo(Space);
                _end += count;
                bytes = bytes[count..];
            }

            if (_end - Start >= LargestGathered)
            {
                await FlushAsync().ConfigureAwait(false);
            }
        }
    }

    private void Grow(int size)
    {
        if (_buffer is null)
        {
            (_buffer, _end) = (IoBuffers.Rent(Start + size), Start);
        }
        else if (_buffer.Length - _end < size)
        {
            var larger = IoBuffers.Rent(_end + size);
            _buffer.AsSpan(Start, _end - Start).CopyTo(larger.AsSpan(Start));
            IoBuffers.Return(_buffer);
            _buffer = larger;
        }
    }
}
