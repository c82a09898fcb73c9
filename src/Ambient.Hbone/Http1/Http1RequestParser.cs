using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// Reads heads of requests (RFC 9112 sections 2 to 6, and 9.3), strictly: what can be read in more than one way is refused. One for each connection,
/// whose strings it keeps from one request to the next.
/// </summary>
/// <param name="maxHeadSize">Bytes of a head.</param>
/// <param name="maxFields">Fields of a head.</param>
internal sealed class Http1RequestParser(int maxHeadSize, int maxFields)
{
    // Some clients send one behind a body (RFC 9112 section 2.2).
    private const int MaxEmptyLines = 2;

    private readonly RequestLine _requestLine = new();
    private readonly HeadFields _fields = new(maxFields, isRequest: true);
    private HeadLines _lines = new(maxHeadSize, "the head");
    private int _emptyLines;
    private bool _hasLine;

    /// <summary>Whether a byte of a request line was seen.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Where the message ends, once its head is complete.</summary>
    public Http1Framing Framing { get; private set; }

    /// <summary>Takes whole lines as they come.</summary>
    /// <param name="bytes">What has come and was not consumed yet: it begins with what the last call has left.</param>
    /// <param name="head">Head, empty when the first line comes.</param>
    /// <param name="consumed">Bytes that are done with.</param>
    /// <returns>Whether the head is complete; call <see cref="Reset"/> before the next one.</returns>
    /// <exception cref="Http1Exception">It breaks the protocol or a limit.</exception>
    public bool Parse(ReadOnlySpan<byte> bytes, RequestHead head, out int consumed)
    {
        consumed = 0;
        while (_lines.TryTake(bytes, ref consumed, out var line))
        {
            if (!_hasLine)
            {
                TakeFirst(line, head);
            }
            else if (line.IsEmpty)
            {
                Complete(head);
                return true;
            }
            else
            {
                _fields.Take(line, head.Fields);
            }
        }

        if (!HasBegun && consumed < bytes.Length && !bytes[consumed..].SequenceEqual("\r"u8))
        {
            HasBegun = true;

            // Another protocol, such as TLS, shows at once, not when a line has come.
            if (!HttpSyntax.IsToken((char)bytes[consumed]))
            {
                throw new Http1Exception(400, "the method is not a token");
            }
        }

        return false;
    }

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        _fields.Reset();
        _lines.Reset();
        (_emptyLines, _hasLine, HasBegun, Framing) = (0, false, false, default);
    }

    private void TakeFirst(ReadOnlySpan<byte> line, RequestHead head)
    {
        if (!line.IsEmpty)
        {
            HasBegun = true;
            _requestLine.Read(line, head);
            _hasLine = true;
        }
        else if (++_emptyLines > MaxEmptyLines)
        {
            throw new Http1Exception(400, "empty lines instead of a request");
        }
    }

    private void Complete(RequestHead head)
    {
        var isHttp11 = head.Version == HttpProtocolVersion.Http11;
        if (_fields.Host is { } host)
        {
            // That of the target takes precedence (RFC 9112 section 3.2.2).
            if (head.Authority.Length == 0)
            {
                head.Authority = host;
            }
        }
        else if (isHttp11)
        {
            throw new Http1Exception(400, "there is no Host");
        }

        if (_fields.Connection.EndToEnd is { } named)
        {
            throw new Http1Exception(400, $"Connection names {named}, which is for every recipient (RFC 9110 section 7.6.1)");
        }

        _fields.Connection.RemoveNamed(head.Fields);
        Frame(head, isHttp11);
        head.ContentLength = _fields.ContentLength;
        head.HasBody = Framing.Kind != Http1BodyKind.None;
        head.Upgrade = isHttp11 && _fields.Connection.NamesUpgrade ? _fields.Upgrade : null;
        head.TakesTrailers = isHttp11 && _fields.TakesTrailers;
        head.ExpectsContinue = isHttp11 && head.HasBody && _fields.ExpectsContinue;
    }

    private void Frame(RequestHead head, bool isHttp11)
    {
        var keepAlive = !_fields.Connection.Closes && (isHttp11 || _fields.Connection.KeepsAlive);
        if (_fields.HasTransferEncoding)
        {
            if (_fields.ContentLength is not null)
            {
                throw new Http1Exception(400, "there are Transfer-Encoding and Content-Length");
            }

            if (!isHttp11)
            {
                throw new Http1Exception(400, "Transfer-Encoding in HTTP/1.0");
            }

            // Also where it means nothing: what follows a CONNECT is the other protocol (RFC 9110 section 9.3.6).
            if (!_fields.IsChunked || head.Method == "CONNECT")
            {
                throw new Http1Exception(501, "the Transfer-Encoding is not chunked alone");
            }

            Framing = new Http1Framing(Http1BodyKind.Chunked, 0, keepAlive);
            return;
        }

        if (head.Method == "CONNECT")
        {
            if (_fields.ContentLength > 0)
            {
                throw new Http1Exception(400, "CONNECT with a body");
            }

            // What follows may be meant for the tunnel, so it is no request even where there is none.
            Framing = new Http1Framing(Http1BodyKind.None, 0, false);
            return;
        }

        Framing = _fields.ContentLength is > 0 and { } length
            ? new Http1Framing(Http1BodyKind.Length, length, keepAlive)
            : new Http1Framing(Http1BodyKind.None, 0, keepAlive);
    }
}
