using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tls;

/// <summary>
/// Records by ourselves after OpenSSL's handshake (RFC 8446, 5): from plaintext into the bytes to be sent, and back, without a copy or a stop in
/// between and without a buffer while nothing moves. The cryptography is libcrypto's.
/// </summary>
/// <remarks>
/// A connection that ends without close_notify ends as one with it: HTTP/2 knows by itself whether a stream is whole (RFC 9113, 5.1 and 6.8),
/// and peers often end that way. It fails when the bytes end inside of a record.
/// </remarks>
internal sealed class RecordTransport : TlsTransport
{
    private const byte ChangeCipherSpec = 20;
    private const byte Alert = 21;
    private const byte Handshake = 22;
    private const byte ApplicationData = RecordCipher.ApplicationData;
    private const int Header = RecordCipher.Header;
    private const int Tag = RecordCipher.Tag;
    private const int MaxContent = RecordCipher.MaxContent;

    // RFC 8446, 5.2: of what is encrypted, and of what is in it.
    private const int MaxProtected = MaxContent + 256;
    private const int MaxInner = MaxContent + 1;

    // Records without data in a row: four tickets and a key update are honest, a stream of them is not.
    private const int MaxEmptyRecords = 64;

    // Records of one read: each costs a decryption whatever is in it, and the read loop counts reads.
    private const int MaxRecords = 16;

    private readonly IByteChannel _channel;
    private readonly RecordBuffers _records;
    private readonly RecordCipher _read;
    private readonly RecordCipher _write;
    private readonly PostHandshake _messages;

    // Held while records are made, so that an alert from the reader's thread never meets a write.
    private readonly Lock _making = new();
    private volatile bool _updateDue;
    private bool _flushing;
    private bool _closed;
    private IOException? _failure;
    private int _emptyRecords;
    private bool _drained;
    private bool _left;
    private bool _ended;

    /// <summary>Takes over after a handshake.</summary>
    /// <param name="channel">What the bytes travel on; owned from here.</param>
    /// <param name="records">Its records; owned from here.</param>
    /// <param name="read">The peer's direction; owned from here.</param>
    /// <param name="write">Our direction; owned from here.</param>
    /// <param name="isClient">Our role.</param>
    public RecordTransport(IByteChannel channel, RecordBuffers records, RecordCipher read, RecordCipher write, bool isClient)
    {
        _channel = channel;
        _records = records;
        _read = read;
        _write = write;
        _messages = new PostHandshake(isClient);
        _records.Established = true;
    }

    public override EventLoop? Loop => _channel.Loop;

    /// <summary>Key updates of the peer and of ours so far.</summary>
    internal (int Theirs, int Ours) KeyUpdates { get; private set; }

    public override ValueTask WaitToReadAsync()
    {
        _drained = false;
        return _ended || _left || _failure is not null || _records.HasRecord ? default : _records.WaitToReceiveAsync();
    }

    public override int TryRead(Memory<byte> buffer)
    {
        if (_failure is { } failure)
        {
            throw failure;
        }

        var inUse = false;
        var total = 0;
        try
        {
            _read.DangerousAddRef(ref inUse);
            var space = buffer.Span;
            for (var records = 0; !_ended && records < MaxRecords; records++)
            {
                while (!_records.HasRecord && !_drained && _records.TryReceive(out _drained))
                {
                }

                if (!_records.HasRecord || (total > 0 && !Fits(space.Length - total)))
                {
                    break;
                }

                var count = ReadRecord(space[total..]);
                total += count;
                _emptyRecords = count > 0 ? 0 : _emptyRecords + 1;
                if (_emptyRecords > MaxEmptyRecords)
                {
                    throw new TlsRecordException(TlsAlert.UnexpectedMessage, $"{MaxEmptyRecords} TLS records without data in a row");
                }
            }
        }
        catch (IOException e)
        {
            Fail(e);
            if (total == 0)
            {
                throw;
            }
        }
        catch (ObjectDisposedException) when (!inUse)
        {
            throw new IOException("the connection is closed");
        }
        finally
        {
            if (inUse)
            {
                _read.DangerousRelease();
            }
        }

        // The socket tells of bytes once, when they come: those that a read leaves behind are not to be waited for.
        _left = !_drained;
        return total > 0 ? total : _ended ? -1 : 0;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        var inUse = false;
        try
        {
            _write.DangerousAddRef(ref inUse);
            lock (_making)
            {
                if (_closed)
                {
                    return ValueTask.FromException(new IOException("the TLS connection is closed for writing"));
                }

                for (var rest = bytes.Span; !rest.IsEmpty;)
                {
                    if (_updateDue || _write.IsWornOut)
                    {
                        UpdateKey();
                    }

                    var count = Math.Min(rest.Length, MaxContent);
                    Make(ApplicationData, rest[..count]);
                    rest = rest[count..];
                }
            }

            return default;
        }
        catch (ObjectDisposedException) when (!inUse)
        {
            return ValueTask.FromException(new IOException("the connection is closed"));
        }
        finally
        {
            if (inUse)
            {
                _write.DangerousRelease();
            }
        }
    }

    public override ValueTask FlushAsync()
    {
        lock (_making)
        {
            _flushing = true;
        }

        var flush = _records.FlushGatheredAsync();
        if (!flush.IsCompletedSuccessfully)
        {
            return EndFlushAsync(flush);
        }

        _flushing = false;
        return flush;
    }

    public override async ValueTask CloseWriteAsync()
    {
        lock (_making)
        {
            if (!_closed)
            {
                _closed = true;
                Make(Alert, [1, TlsAlert.CloseNotify]);
            }
        }

        await FlushAsync().ConfigureAwait(false);
        _channel.ShutdownSend();
    }

    public override void Abort() => _channel.ShutdownBoth();

    public override ValueTask DisposeAsync()
    {
        lock (_making)
        {
            _closed = true;
        }

        _read.Dispose();
        _write.Dispose();
        _records.Dispose();
        _channel.Close();
        return default;
    }

    /// <summary>Lowers the records that our key protects, for tests.</summary>
    internal void LimitRecords(ulong records) => _write.RecordLimit = records;

    private async ValueTask EndFlushAsync(ValueTask flush)
    {
        try
        {
            await flush.ConfigureAwait(false);
        }
        finally
        {
            _flushing = false;
        }
    }

    /// <summary>Whether the next record's content surely fits: what is there is handed on before a record that does not.</summary>
    private bool Fits(int space) => _records.AtEnd || space >= MaxContent || space >= _records.NextRecordSize - Header - Tag;

    /// <summary>Takes the record that is there: bytes of data.</summary>
    private int ReadRecord(Span<byte> space)
    {
        var record = _records.PeekRecord();
        if (record.IsEmpty)
        {
            // Without close_notify: see the remarks.
            _ended = true;
            return 0;
        }

        CheckHeader(record);
        Span<byte> beyond = stackalloc byte[MaxInner - MaxContent];
        var size = record.Length - Header - Tag;
        if (size > space.Length + beyond.Length)
        {
            throw new ArgumentException($"a TLS record needs {MinReadSpace} bytes of space", nameof(space));
        }

        if (!_read.TryOpen(record, space, beyond))
        {
            throw new TlsRecordException(TlsAlert.BadRecordMac, "TLS: a record cannot be decrypted");
        }

        _records.Skip(record.Length);

        // RFC 8446, 5.4: padding are zeros behind the type.
        var last = size > space.Length && beyond[0] != 0 ? size - 1 : space[..Math.Min(size, space.Length)].LastIndexOfAnyExcept((byte)0);
        if (last < 0)
        {
            throw new TlsRecordException(TlsAlert.UnexpectedMessage, "TLS: a record without a type");
        }

        var type = last < space.Length ? space[last] : beyond[0];
        if (type == ApplicationData)
        {
            return _messages.IsInside ? throw Between(type) : last;
        }

        OnSpecial(type, space[..last]);
        return 0;
    }

    private static void CheckHeader(ReadOnlySpan<byte> record)
    {
        if (record[0] is not ApplicationData)
        {
            // RFC 8446, 5: change_cipher_spec is to be passed over before the peer's Finished, and not after it. Nothing is in the clear then.
            throw new TlsRecordException(TlsAlert.UnexpectedMessage, $"TLS: a record of type {record[0]}{(record[0] == ChangeCipherSpec ? " (change_cipher_spec)" : "")} among encrypted ones");
        }

        if (record.Length < Header)
        {
            throw new IOException("the connection ended inside of a TLS record");
        }

        var length = (record[3] << 8) | record[4];
        if (length > MaxProtected || length > MaxInner + Tag)
        {
            throw new TlsRecordException(TlsAlert.RecordOverflow, $"TLS: a record of {length} bytes is too long");
        }

        if (record.Length < Header + length)
        {
            throw new IOException("the connection ended inside of a TLS record");
        }

        if (length <= Tag)
        {
            throw new TlsRecordException(TlsAlert.UnexpectedMessage, "TLS: a record without a type");
        }
    }

    private static TlsRecordException Between(byte type) =>
        new(TlsAlert.UnexpectedMessage, $"TLS: a record of type {type} between the parts of a handshake message");

    private void OnSpecial(byte type, ReadOnlySpan<byte> content)
    {
        if (type != Handshake && _messages.IsInside)
        {
            throw Between(type);
        }

        switch (type)
        {
            case Handshake:
                if (_messages.Take(content) is { } asksForOurs)
                {
                    _read.Update();
                    _updateDue |= asksForOurs;
                    KeyUpdates = (KeyUpdates.Theirs + 1, KeyUpdates.Ours);
                }

                break;
            case Alert when content.Length != 2:
                throw new TlsRecordException(TlsAlert.DecodeError, $"TLS: an alert of {content.Length} bytes");
            case Alert when content[1] == TlsAlert.CloseNotify:
                // RFC 8446, 6.1: whatever comes after it is ignored.
                _ended = true;
                break;
            case Alert when content[1] == TlsAlert.UserCanceled:
                break;
            case Alert:
                throw new TlsRecordException(null, $"the peer ended TLS with the alert {TlsAlert.NameOf(content[1])} ({content[1]})");
            default:
                throw new TlsRecordException(TlsAlert.UnexpectedMessage, $"TLS: an encrypted record of type {type}");
        }
    }

    /// <summary>Nothing more is taken from the peer, nor sent to it except the alert that says why.</summary>
    private void Fail(IOException failure)
    {
        _failure = failure;
        if (failure is not TlsRecordException broken || !_making.TryEnter())
        {
            return;
        }

        try
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            if (broken.Alert is { } alert && !_flushing)
            {
                var inUse = false;
                try
                {
                    _write.DangerousAddRef(ref inUse);
                    Make(Alert, [2, alert]);
                    _records.TrySendLast();
                }
                finally
                {
                    if (inUse)
                    {
                        _write.DangerousRelease();
                    }
                }
            }
        }
        catch (ObjectDisposedException)
        {
        }
        finally
        {
            _making.Exit();
        }
    }

    /// <summary>RFC 8446, 4.6.3: the last message under the old key. It asks for none in return: the peer counts its own records.</summary>
    private void UpdateKey()
    {
        _updateDue = false;
        Make(Handshake, [24, 0, 0, 1, 0]);
        _write.Update();
        KeyUpdates = (KeyUpdates.Theirs, KeyUpdates.Ours + 1);
    }

    private void Make(byte type, ReadOnlySpan<byte> content) =>
        _records.Advance(_write.Seal(type, content, _records.Reserve(Header + content.Length + 1 + Tag)));
}
