using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tls;

/// <summary>
/// The stream under <see cref="System.Net.Security.SslStream"/>. Two things make it faster than a network stream: writes
/// are gathered, so that many records leave in one system call; and reads are made far ahead of what TLS asks for, and
/// handed on one whole record at a time, so that TLS never waits with a buffer of its own in hand. Both buffers are
/// given back whenever they are empty.
/// </summary>
internal sealed class RecordStream(IByteChannel channel) : Stream
{
    private const int RecordHeader = 5;

    // RFC 8446 section 5.2: 2^14 of content, 256 of expansion.
    private const int MaxRecord = RecordHeader + 16384 + 256;
    private const byte FirstContentType = 20;
    private const byte LastContentType = 24;

    private byte[]? _in;
    private int _inStart;
    private int _inEnd;
    private int _inSize = IoBuffers.Medium * 2;
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

    /// <summary>
    /// After the handshake: reads never wait and fail with <see cref="NothingThereException"/> instead, writes wait for a flush.
    /// </summary>
    public bool Established { get; set; }

    /// <summary>Whether a whole record, or the end, can be handed on without asking the socket.</summary>
    public bool HasRecord => _recordLeft > 0 || _ended || RecordIsThere();

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

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
        _inSize = count == space.Length ? IoBuffers.Bulk : _inSize;
        return true;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (HasRecord)
        {
            return new ValueTask<int>(buffer.IsEmpty ? 0 : Take(buffer.Span));
        }

        if (!Established)
        {
            return ReceiveAsync(buffer, cancellationToken);
        }

        return buffer.IsEmpty ? default : ValueTask.FromException<int>(NothingThereException.Instance);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_out is null || _out.Length - _outEnd < buffer.Length)
        {
            Grow(buffer.Length);
        }

        buffer.Span.CopyTo(_out.AsSpan(_outEnd));
        _outEnd += buffer.Length;
        return Established ? default : FlushGatheredAsync();
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => FlushGatheredAsync().AsTask();

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

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            ReturnGathered();
            if (_in is { } buffer)
            {
                _in = null;
                _inStart = _inEnd = 0;
                IoBuffers.Return(buffer);
            }
        }

        base.Dispose(disposing);
    }

    private static IOException Failure(SocketError error) => new($"the connection failed: {error}", new SocketException((int)error));

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var waited = false;
        while (!HasRecord)
        {
            cancellationToken.ThrowIfCancellationRequested();
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

        return buffer.IsEmpty ? 0 : Take(buffer.Span);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
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
        var larger = IoBuffers.Rent(needed <= IoBuffers.Medium ? needed : Math.Max(needed, IoBuffers.Bulk));
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
            _in = IoBuffers.Rent(_inSize);
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

        // What is no TLS is handed on as it is: SslStream finds the words for it.
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

    private int Take(Span<byte> destination)
    {
        var there = _inEnd - _inStart;
        if (there == 0)
        {
            return 0;
        }

        if (_recordLeft == 0)
        {
            var header = _in.AsSpan(_inStart, Math.Min(RecordHeader, there));
            var length = there < RecordHeader ? there : RecordHeader + BinaryPrimitives.ReadUInt16BigEndian(header[3..]);
            _recordLeft = Math.Min(length, there);
            if (!Established)
            {
                CountHandshake(_recordLeft);
            }
        }

        var count = Math.Min(_recordLeft, destination.Length);
        _in.AsSpan(_inStart, count).CopyTo(destination);
        _inStart += count;
        _recordLeft -= count;
        return count;
    }
}
