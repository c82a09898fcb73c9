using System.Buffers.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// Writes messages of HTTP/1.1. Each method writes into a buffer of at least as many bytes as its Measure method says, and returns how many it wrote.
/// Fields of framing and of the connection come from the parameters alone; those among <see cref="RequestHead.Fields"/> are left out.
/// </summary>
internal static class Http1Writer
{
    /// <summary>Bytes of a chunk's size at most.</summary>
    public const int ChunkHeaderSize = 10;

    // What both kinds of heads have beside texts and fields: words, colons, numbers, framing and connection.
    private const int Beside = 192;

    /// <summary>Bytes that a head takes at most.</summary>
    public static int MeasureRequest(RequestHead head) =>
        Beside + head.Method.Length + head.Target.Length + (2 * head.Authority.Length) + HeadBuffer.Measure(head.Fields, head.Upgrade);

    /// <summary>Writes the head of a request.</summary>
    /// <param name="head">Head.</param>
    /// <param name="body">
    /// What follows. With <see cref="Http1BodyKind.Length"/> the head says how much, and nothing means 0; with <see cref="Http1BodyKind.None"/> what it
    /// says is written, and 0 where it says nothing and the method is one that has a body as a rule (RFC 9110 section 8.6).
    /// </param>
    /// <param name="keepAlive">Whether the connection goes on afterwards.</param>
    /// <param name="buffer">Where it goes.</param>
    /// <exception cref="InvalidOperationException">Method, target or authority, as edited, would be another head.</exception>
    public static int WriteRequest(RequestHead head, Http1BodyKind body, bool keepAlive, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)body, (int)Http1BodyKind.UntilClose, nameof(body));
        Check(head);
        var writer = new HeadBuffer(buffer);
        writer.Write(head.Method);
        writer.Write(" "u8);
        writer.Write(head.Method == "CONNECT" ? head.Authority : head.Target);
        writer.Write(" HTTP/1.1\r\nhost: "u8);
        writer.Write(head.Authority);
        writer.Write("\r\n"u8);
        writer.Write(head.Fields, isRequest: true);
        var hasNone = body == Http1BodyKind.None && head.ContentLength is null && head.Method is not ("GET" or "HEAD" or "DELETE" or "TRACE" or "OPTIONS" or "CONNECT");
        writer.WriteFraming(hasNone ? Http1BodyKind.Length : body, head.ContentLength);
        if (head.TakesTrailers)
        {
            writer.Write("te: trailers\r\n"u8);
        }

        if (head.Upgrade is { } upgrade)
        {
            writer.WriteUpgrade(upgrade);
        }

        writer.Write((head.Upgrade is not null, head.TakesTrailers, keepAlive) switch
        {
            (true, true, _) => "connection: upgrade, te\r\n\r\n"u8,
            (true, false, _) => "connection: upgrade\r\n\r\n"u8,
            (false, true, true) => "connection: te\r\n\r\n"u8,
            (false, true, false) => "connection: close, te\r\n\r\n"u8,
            (false, false, true) => "\r\n"u8,
            (false, false, false) => "connection: close\r\n\r\n"u8,
        });
        return writer.Length;
    }

    /// <summary>Bytes that a head takes at most.</summary>
    public static int MeasureResponse(ResponseHead head) => Beside + HeadBuffer.Measure(head.Fields, head.Upgrade);

    /// <summary>Writes the head of a response.</summary>
    /// <param name="head">Head.</param>
    /// <param name="body">
    /// What follows. With <see cref="Http1BodyKind.Length"/> the head says how much, and nothing means 0; <see cref="Http1BodyKind.None"/> is for 1xx,
    /// 204 and 304, for what answers HEAD, and for the start of a tunnel: a length is written where the head says one and the status can have it.
    /// </param>
    /// <param name="keepAlive">Whether the connection goes on afterwards.</param>
    /// <param name="clientVersion">What the client speaks: one of HTTP/1.0 is told when the connection goes on, and takes no chunks.</param>
    /// <param name="buffer">Where it goes.</param>
    public static int WriteResponse(ResponseHead head, Http1BodyKind body, bool keepAlive, HttpProtocolVersion clientVersion, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(head.Status, 100);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(head.Status, 999);
        if (body == Http1BodyKind.Chunked && clientVersion == HttpProtocolVersion.Http10)
        {
            throw new ArgumentException("a client of HTTP/1.0 takes no chunks", nameof(body));
        }

        var writer = new HeadBuffer(buffer);
        if (head.Status == 200)
        {
            writer.Write("HTTP/1.1 200 OK\r\n"u8);
        }
        else
        {
            writer.Write("HTTP/1.1 "u8);
            writer.Write(head.Status);
            writer.Write(" "u8);
            writer.Write(ReasonPhrase.Of(head.Status));
            writer.Write("\r\n"u8);
        }

        writer.Write(head.Fields, isRequest: false);
        if (head.Status == 101)
        {
            writer.WriteUpgrade(head.Upgrade ?? throw new InvalidOperationException("a 101 must say what the protocol changes to"));
            writer.Write("connection: upgrade\r\n"u8);
        }
        else if (!head.IsInterim)
        {
            if (head.Status != 204)
            {
                writer.WriteFraming(body, head.ContentLength);
            }

            if (head.Status == 426 && head.Upgrade is { } required)
            {
                // RFC 9110 section 15.5.22: it says what is required; section 7.8: and names it as an option of the connection.
                writer.WriteUpgrade(required);
                writer.Write("connection: upgrade\r\n"u8);
            }

            writer.Write(!keepAlive || body == Http1BodyKind.UntilClose ? "connection: close\r\n"u8
                : clientVersion == HttpProtocolVersion.Http10 ? "connection: keep-alive\r\n"u8 : default);
        }

        writer.Write("\r\n"u8);
        return writer.Length;
    }

    /// <summary>Writes the size of a chunk, which its bytes and CRLF follow.</summary>
    /// <param name="length">At least 1: the last chunk comes with <see cref="WriteTrailers"/>.</param>
    /// <param name="buffer">Where it goes: <see cref="ChunkHeaderSize"/> bytes.</param>
    public static int WriteChunkHeader(int length, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        if (!Utf8Formatter.TryFormat(length, buffer, out var written, new System.Buffers.StandardFormat('x')))
        {
            throw new ArgumentException("the buffer is too small", nameof(buffer));
        }

        "\r\n"u8.CopyTo(buffer[written..]);
        return written + 2;
    }

    /// <summary>Bytes that the end of a chunked body takes at most.</summary>
    public static int MeasureTrailers(HttpFields? trailers) => 5 + (trailers is null ? 0 : HeadBuffer.Measure(trailers, null));

    /// <summary>Writes the end of a chunked body: its last chunk and the trailer section.</summary>
    public static int WriteTrailers(HttpFields? trailers, Span<byte> buffer)
    {
        var writer = new HeadBuffer(buffer);
        writer.Write("0\r\n"u8);
        for (var i = 0; i < trailers?.Count; i++)
        {
            if (FieldKinds.Of(trailers[i].Name) == FieldKind.Ordinary)
            {
                writer.Write(trailers.Line(i));
            }
        }

        writer.Write("\r\n"u8);
        return writer.Length;
    }

    // Edits may have put in anything; what reached the line would be a second request.
    private static void Check(RequestHead head)
    {
        if (!HttpSyntax.IsToken(head.Method))
        {
            throw new InvalidOperationException("the method is not a token");
        }

        if (head.Method != "CONNECT" && !(head.Target == "*" || (head.Target.StartsWith('/') && HttpSyntax.IsTarget(head.Target))))
        {
            throw new InvalidOperationException("the target does not begin with a slash, or has characters that no target may have");
        }

        if (!HttpSyntax.IsAuthority(head.Authority))
        {
            throw new InvalidOperationException("the authority is not a host with or without a port");
        }
    }
}
