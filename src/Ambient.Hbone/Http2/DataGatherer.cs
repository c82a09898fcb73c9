using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// Gathers what one read brought for a stream, so that it is handed on in few pieces however many frames it came in: a piece to an
/// application is a system call, and a peer that sends a byte a frame would otherwise buy one with ten bytes. Frames of one stream
/// that follow each other are pushed together in the read buffer itself. A stream that was served and comes up again in the same
/// turn, between others, has its small pieces put aside until the turn ends. Belongs to the read loop.
/// </summary>
internal sealed class DataGatherer
{
    // What is moved together: frames of the size that most peers send (RFC 9113 section 6.5.2). To move one costs a fraction of the system call and the
    // packets that it would be on its own; larger ones are worth theirs.
    private const int CopyLimit = Http2Constants.MinMaxFrameSize;

    // Bytes put aside for one stream, and streams that have a place.
    private const int Slot = 256;
    private const int Slots = IoBuffers.Large / Slot;

    private readonly List<Http2Stream> _waiting = [];
    private byte[]? _aside;
    private Http2Stream? _stream;
    private int _start;
    private int _end;
    private int _turn = 1;

    /// <summary>Whether there is data that was not handed on yet.</summary>
    public bool HoldsAny => _stream is not null || _waiting.Count > 0;

    /// <summary>Whether the stream has received data in this turn.</summary>
    public bool HasBrought(Http2Stream stream) => _stream == stream || stream.GatheredTurn == _turn;

    /// <summary>Data of a stream lies in the read buffer.</summary>
    public void Add(Span<byte> buffer, Http2Stream stream, int start, int length)
    {
        if (_stream == stream && length <= CopyLimit)
        {
            if (start != _end)
            {
                buffer.Slice(start, length).CopyTo(buffer[_end..]);
            }

            _end += length;
            return;
        }

        HandOn(buffer);
        (_stream, _start, _end) = (stream, start, start + length);
    }

    /// <summary>Hands on all that came for a stream: its end follows.</summary>
    public void Flush(Span<byte> buffer, Http2Stream stream)
    {
        if (_stream == stream)
        {
            HandOn(buffer);
        }

        HandOnAside(stream);
    }

    /// <summary>The turn ends: hands on everything.</summary>
    public void Flush(Span<byte> buffer)
    {
        HandOn(buffer);
        if (_waiting.Count > 0)
        {
            foreach (var stream in _waiting)
            {
                HandOnAside(stream);
                stream.AsideSlot = 0;
            }

            _waiting.Clear();
            IoBuffers.Return(_aside!);
            _aside = null;
        }

        _turn++;
    }

    private void HandOn(Span<byte> buffer)
    {
        if (_stream is not { } stream)
        {
            return;
        }

        _stream = null;
        var data = buffer[_start.._end];
        if (stream.GatheredTurn != _turn)
        {
            stream.GatheredTurn = _turn;
            stream.DeliverData(data);
        }
        else if (!TryPutAside(stream, data))
        {
            HandOnAside(stream);
            stream.DeliverData(data);
        }
    }

    private bool TryPutAside(Http2Stream stream, ReadOnlySpan<byte> data)
    {
        if (data.Length > Slot || (stream.AsideSlot == 0 && _waiting.Count == Slots))
        {
            return false;
        }

        if (stream.AsideSlot == 0)
        {
            _aside ??= IoBuffers.Rent(IoBuffers.Large);
            _waiting.Add(stream);
            stream.AsideSlot = (short)_waiting.Count;
        }
        else if (stream.AsideLength + data.Length > Slot)
        {
            HandOnAside(stream);
        }

        data.CopyTo(PlaceOf(stream)[stream.AsideLength..]);
        stream.AsideLength += (short)data.Length;
        return true;
    }

    private void HandOnAside(Http2Stream stream)
    {
        if (stream.AsideLength > 0)
        {
            var data = PlaceOf(stream)[..stream.AsideLength];
            stream.AsideLength = 0;
            stream.DeliverData(data);
        }
    }

    private Span<byte> PlaceOf(Http2Stream stream) => _aside.AsSpan((stream.AsideSlot - 1) * Slot, Slot);
}
