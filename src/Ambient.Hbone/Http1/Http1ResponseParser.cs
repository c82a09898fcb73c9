using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>Reads heads of responses (RFC 9112 sections 4 to 6, and 9.3), as strictly as <see cref="Http1RequestParser"/> those of requests.</summary>
/// <param name="maxHeadSize">Bytes of a head.</param>
/// <param name="maxFields">Fields of a head.</param>
internal sealed class Http1ResponseParser(int maxHeadSize, int maxFields)
{
    private readonly HeadFields _fields = new(maxFields, isRequest: false);
    private HeadLines _lines = new(maxHeadSize, "the head");
    private bool _hasLine;

    /// <summary>Where the message ends, once its head is complete. After an interim head the next one follows.</summary>
    public Http1Framing Framing { get; private set; }

    /// <summary>Takes whole lines as they come; see <see cref="Http1RequestParser.Parse"/>.</summary>
    /// <param name="bytes">What has come and was not consumed yet.</param>
    /// <param name="head">Head, empty when the first line comes.</param>
    /// <param name="requestMethod">Method of the request that it answers, letter for letter.</param>
    /// <param name="consumed">Bytes that are done with.</param>
    /// <returns>Whether the head is complete.</returns>
    /// <exception cref="Http1Exception">It breaks the protocol or a limit.</exception>
    public bool Parse(ReadOnlySpan<byte> bytes, ResponseHead head, string requestMethod, out int consumed)
    {
        consumed = 0;
        while (_lines.TryTake(bytes, ref consumed, out var line))
        {
            if (!_hasLine)
            {
                ReadStatusLine(line, head);
                _hasLine = true;
            }
            else if (line.IsEmpty)
            {
                Complete(head, requestMethod);
                return true;
            }
            else
            {
                _fields.Take(line, head.Fields);
            }
        }

        return false;
    }

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        _fields.Reset();
        _lines.Reset();
        (_hasLine, Framing) = (false, default);
    }

    private static void ReadStatusLine(ReadOnlySpan<byte> line, ResponseHead head)
    {
        // HTTP/1.1 200 OK; the space before the reason is missing at times where there is none.
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' ' || (line.Length > 12 && line[12] != ' ')
            || line[9] is < (byte)'1' or > (byte)'5' || !char.IsAsciiDigit((char)line[10]) || !char.IsAsciiDigit((char)line[11]) || !HttpSyntax.IsFieldValue(line[12..]))
        {
            throw new Http1Exception(400, "the status line is not a version 1.0 or 1.1, a status of 100 to 599 and a reason");
        }

        head.Version = line[7] == '0' ? HttpProtocolVersion.Http10 : HttpProtocolVersion.Http11;
        head.Status = ((line[9] - '0') * 100) + ((line[10] - '0') * 10) + (line[11] - '0');
    }

    private void Complete(ResponseHead head, string requestMethod)
    {
        // Framing fields that are named are taken out anyway; others that are for every recipient stay, named or not.
        _fields.Connection.RemoveNamed(head.Fields);
        if (head.Status == 101)
        {
            head.Upgrade = _fields.Connection.NamesUpgrade && _fields.Upgrade is { } upgrade
                ? upgrade
                : throw new Http1Exception(400, "a 101 does not name the protocol that it changes to");
        }

        if (_fields.HasTransferEncoding)
        {
            if (_fields.ContentLength is not null)
            {
                throw new Http1Exception(400, "there are Transfer-Encoding and Content-Length");
            }

            if (head.Version == HttpProtocolVersion.Http10 || !_fields.IsChunked)
            {
                throw new Http1Exception(400, "the Transfer-Encoding is not chunked alone, or in HTTP/1.0");
            }
        }

        Frame(head, requestMethod);
        head.HasBody = Framing.Kind != Http1BodyKind.None;
    }

    private void Frame(ResponseHead head, string requestMethod)
    {
        var keepAlive = !_fields.Connection.Closes && (head.Version == HttpProtocolVersion.Http11 || _fields.Connection.KeepsAlive);
        if (requestMethod == "CONNECT" && head.Status is >= 200 and < 300)
        {
            // A tunnel, which nothing of HTTP follows.
            Framing = new Http1Framing(Http1BodyKind.None, 0, false);
            return;
        }

        if (head.Status is < 200 or 204)
        {
            // There is no body whatever is said; whoever says otherwise (RFC 9110 section 8.6, RFC 9112 section 6.1) may send one all the same.
            Framing = new Http1Framing(Http1BodyKind.None, 0, keepAlive && !_fields.HasTransferEncoding && _fields.ContentLength is null or 0);
            return;
        }

        head.ContentLength = _fields.ContentLength;
        Framing = requestMethod == "HEAD" || head.Status == 304 || _fields.ContentLength == 0 ? new Http1Framing(Http1BodyKind.None, 0, keepAlive)
            : _fields.HasTransferEncoding ? new Http1Framing(Http1BodyKind.Chunked, 0, keepAlive)
            : _fields.ContentLength is { } length ? new Http1Framing(Http1BodyKind.Length, length, keepAlive)
            : new Http1Framing(Http1BodyKind.UntilClose, 0, false);
    }
}
