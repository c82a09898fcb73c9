namespace Ambient.Hbone.Tls;

/// <summary>
/// Handshake messages after the handshake (RFC 8446, 4.6), in one direction: session tickets are passed over, key updates are told, anything
/// else is an error. Messages may be cut anywhere and share records, but neither may others stand between their parts nor may one that
/// changes keys have anything behind it in its record (5.1).
/// </summary>
/// <param name="isClient">Whether we are the client: only servers give tickets.</param>
internal sealed class PostHandshake(bool isClient)
{
    private const byte NewSessionTicket = 4;
    private const byte KeyUpdate = 24;
    private const int HeaderSize = 4;
    private const int MaxTicket = 128 * 1024;
    private int _header;
    private int _headerBytes;
    private int _left;

    /// <summary>Whether a message has begun and is not whole yet.</summary>
    public bool IsInside => _headerBytes > 0;

    /// <summary>Takes the content of a record.</summary>
    /// <param name="content">Content of type handshake.</param>
    /// <returns>Null, or a key update: whether the peer asks for one of ours.</returns>
    /// <exception cref="TlsRecordException">The peer breaks a rule.</exception>
    public bool? Take(ReadOnlySpan<byte> content)
    {
        if (content.IsEmpty)
        {
            throw new TlsRecordException(TlsAlert.UnexpectedMessage, "TLS: an empty handshake record");
        }

        while (!content.IsEmpty)
        {
            if (_headerBytes < HeaderSize)
            {
                _header = (_header << 8) | content[0];
                content = content[1..];
                if (++_headerBytes == HeaderSize)
                {
                    Begin();
                }

                continue;
            }

            if ((byte)(_header >>> 24) == KeyUpdate)
            {
                return EndKeyUpdate(content);
            }

            var part = Math.Min(_left, content.Length);
            _left -= part;
            content = content[part..];
            if (_left == 0)
            {
                _headerBytes = 0;
            }
        }

        return null;
    }

    private void Begin()
    {
        var type = (byte)(_header >>> 24);
        _left = _header & 0xffffff;
        switch (type)
        {
            case NewSessionTicket when isClient:
                if (_left is 0 or > MaxTicket)
                {
                    throw new TlsRecordException(TlsAlert.DecodeError, $"TLS: a session ticket of {_left} bytes");
                }

                break;
            case KeyUpdate:
                if (_left != 1)
                {
                    throw new TlsRecordException(TlsAlert.DecodeError, $"TLS: a key update of {_left} bytes");
                }

                break;
            default:
                throw new TlsRecordException(TlsAlert.UnexpectedMessage, $"TLS: a handshake message of type {type} after the handshake");
        }
    }

    private bool EndKeyUpdate(ReadOnlySpan<byte> content)
    {
        _headerBytes = 0;
        if (content.Length != 1)
        {
            throw new TlsRecordException(TlsAlert.UnexpectedMessage, "TLS: a record goes on behind a key update");
        }

        return content[0] <= 1 ? content[0] == 1 : throw new TlsRecordException(TlsAlert.IllegalParameter, $"TLS: a key update that asks for {content[0]}");
    }
}
