using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tls;

/// <summary>
/// TLS records on their way in and out. Writes are gathered, so that many records leave in one system call; reads are made far ahead, and
/// handed on one whole record at a time, so that TLS never waits with a buffer of its own in hand. Both buffers are given back whenever they
/// are empty. One reader and one writer at a time.
/// </summary>
internal sealed class RecordBuffers(IByteChannel channel) : IDisposable
{
    private const int RecordHeader = 5;

    // RFC 8446 section 5.2: 2^14 of content, 256 of expansion.
    private const int MaxRecord = RecordHeader + 16384 + 256;
    private const byte FirstContentType = 20;
    private const byte LastContentType = 24;

    private byte[]? _in;
    private int _inStart;
    private int _inEnd;
    private int _recordLeft;
    private bool _ended;
    private int _handshakeBytes;
    private int _handshakeRecords;
    private byte[]? _out;
    private int _outEnd;

    /// <summary>Bytes and records that TLS is given before the handshake is done; more is an error.</summary>
    public HandshakeLimits? Limits { get; init; }

    /// <summary>Where the handshake waits for its turn to compute; null: it needs none.</summary>
    public HandshakeTurns? Turns { get; init; }

    /// <summary>The handshake is done: what comes now is not counted against its limits.</summary>
    public bool Established { get; set; }

    /// <summary>Whether a whole record, or the end, can be handed on without asking the socket.</summary>
    public bool HasRecord => _recordLeft > 0 || _ended || RecordIsThere();

    /// <summary>Whether the peer has ended its direction, and everything before was taken.</summary>
    public bool AtEnd => _ended && _inStart == _inEnd;

    /// <summary>Completes when the socket has something, or has failed. Holds no buffer unless part of a record is in it.</summary>
    public ValueTask WaitToReceiveAsync()
    {
        if (_inStart == _inEnd && _in is { } empty)
        {
            _in = null;
            IoBuffers.Return(empty);
        }

        return channel.WaitToReceiveAsync();
    }

    /// <summary>One receive. False when nothing was there; <paramref name="drained"/> when the socket has surely no more.</summary>
    public bool TryReceive(out bool drained)
    {
        var space = MakeSpace();
        var count = channel.TryReceive(space, out var error);
        drained = count != space.Length;
        if (count < 0)
        {
            return error == SocketError.WouldBlock ? false : throw Failure(error);
        }

        _ended = count == 0;
        drained &= !_ended;
        _inEnd += count;
        return true;
    }

    /// <summary>Space behind what was gathered, of at least a size.</summary>
    public Span<byte> Reserve(int size)
    {
        if (_out is null || _out.Length - _outEnd < size)
        {
            Grow(size);
        }

        return _out.AsSpan(_outEnd);
    }

    /// <summary>So much of the space was filled.</summary>
    public void Advance(int size) => _outEnd += size;

    /// <summary>Sends what was gathered.</summary>
    public ValueTask FlushGatheredAsync()
    {
        if (_out is null)
        {
            return default;
        }

        var sent = channel.TrySend(_out.AsSpan(0, _outEnd), out var error);
        if (sent == _outEnd)
        {
            ReturnGathered();
            return default;
        }

        return sent < 0 && error != SocketError.WouldBlock
            ? ValueTask.FromException(Failure(error))
            : SendRestAsync(Math.Max(sent, 0));
    }

    /// <summary>Sends what goes at once of what was gathered, and forgets the rest: for last words. Not while a flush runs.</summary>
    public void TrySendLast()
    {
        if (_out is not null)
        {
            channel.TrySend(_out.AsSpan(0, _outEnd), out _);
            ReturnGathered();
        }
    }

    /// <summary>Gives both buffers back.</summary>
    public void Dispose()
    {
        ReturnGathered();
        if (_in is { } buffer)
        {
            _in = null;
            _inStart = _inEnd = 0;
            IoBuffers.Return(buffer);
        }
    }

    /// <summary>Waits until <see cref="HasRecord"/>, without a turn to compute, and returns with one.</summary>
    /// <exception cref="IOException">The connection failed.</exception>
    public async ValueTask WaitForRecordAsync()
    {
        var waited = false;
        while (!HasRecord)
        {
            if (!TryReceive(out _))
            {
                // A handshake that runs out of time shuts the socket down, which wakes this wait.
                waited = true;
                Turns?.Leave();
                await WaitToReceiveAsync().ConfigureAwait(false);
            }
        }

        // What follows is a millisecond of signing and verifying: not on a thread that others wait for.
        if (Turns is { } turns)
        {
            await turns.EnterAsync().ConfigureAwait(false);
        }
        else if (waited)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }

    /// <summary>
    /// What is there of the next record, which is all of it unless it is too long or not TLS; empty at the end. Counts against the limits of the
    /// handshake, so it is to be asked once a record. It stays until <see cref="Skip"/>.
    /// </summary>
    /// <exception cref="HandshakeLimitException">The peer sent too much before it was authenticated.</exception>
    public ReadOnlySpan<byte> PeekRecord()
    {
        var there = _inEnd - _inStart;
        if (there == 0)
        {
            return default;
        }

        var length = there < RecordHeader ? there : RecordHeader + BinaryPrimitives.ReadUInt16BigEndian(_in.AsSpan(_inStart + 3));
        var record = _in.AsSpan(_inStart, Math.Min(length, there));
        if (!Established)
        {
            CountHandshake(record.Length);
        }

        return record;
    }

    /// <summary>Lets go of bytes that were peeked at.</summary>
    public void Skip(int count) => _inStart += count;

    /// <summary>Takes as much of the present record as fits; 0 at the end.</summary>
    public int Take(Span<byte> destination)
    {
        if (_recordLeft == 0)
        {
            _recordLeft = PeekRecord().Length;
        }

        var count = Math.Min(_recordLeft, destination.Length);
        _in.AsSpan(_inStart, count).CopyTo(destination);
        _inStart += count;
        _recordLeft -= count;
        return count;
    }

    /// <summary>Bytes of the next record, header included, as its header says; 0 when there is not even that.</summary>
    public int NextRecordSize => _inEnd - _inStart < RecordHeader ? 0 : RecordHeader + BinaryPrimitives.ReadUInt16BigEndian(_in.AsSpan(_inStart + 3));

    private static IOException Failure(SocketError error) => new($"the connection failed: {error}", new SocketException((int)error));

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask SendRestAsync(int sent)
    {
        try
        {
            await channel.SendAllAsync(_out.AsMemory(sent, _outEnd - sent)).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw Failure(e.SocketErrorCode);
        }

        ReturnGathered();
    }

    private void ReturnGathered()
    {
        if (_out is { } buffer)
        {
            _out = null;
            _outEnd = 0;
            IoBuffers.Return(buffer);
        }
    }

    private void Grow(int more)
    {
        var needed = _outEnd + more;
        var larger = IoBuffers.Rent(needed);
        if (_out is { } old)
        {
            old.AsSpan(0, _outEnd).CopyTo(larger);
            IoBuffers.Return(old);
        }

        _out = larger;
    }

    private Span<byte> MakeSpace()
    {
        if (_in is null)
        {
            _in = IoBuffers.Rent(IoBuffers.Large);
            _inStart = _inEnd = 0;
        }
        else if (_inStart == _inEnd)
        {
            _inStart = _inEnd = 0;
        }
        else if (_in.Length - _inStart < MaxRecord || _in.Length - _inEnd < MaxRecord)
        {
            _in.AsSpan(_inStart, _inEnd - _inStart).CopyTo(_in);
            _inEnd -= _inStart;
            _inStart = 0;
        }

        return _in.AsSpan(_inEnd);
    }

    private bool RecordIsThere()
    {
        var there = _inEnd - _inStart;
        if (there < RecordHeader)
        {
            return false;
        }

        var header = _in.AsSpan(_inStart, RecordHeader);
        var length = RecordHeader + BinaryPrimitives.ReadUInt16BigEndian(header[3..]);

        // What is not TLS is handed on as it is: whoever does the handshake finds the words for it.
        return header[0] is < FirstContentType or > LastContentType || length > MaxRecord || there >= length;
    }

    /// <summary>Before TLS sees a record: what it holds may cost a thousand times what it cost to send.</summary>
    private void CountHandshake(int record)
    {
        _handshakeBytes += record;
        _handshakeRecords++;
        if (Limits is { } limits && (_handshakeBytes > limits.MaxBytes || _handshakeRecords > HandshakeLimits.MaxRecords))
        {
            throw new HandshakeLimitException(
                _handshakeBytes > limits.MaxBytes
                    ? $"the peer sent more than {limits.MaxBytes} bytes before the handshake was done, the limit (MaxHandshakeSize): a certificate chain that is too long?"
                    : $"the peer sent more than {HandshakeLimits.MaxRecords} TLS records before the handshake was done");
        }
    }
}
