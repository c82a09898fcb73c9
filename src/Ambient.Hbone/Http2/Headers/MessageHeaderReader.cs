using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Reads header blocks of messages into heads, and says what is wrong with those that are not valid (RFC 9113 sections 8.1 to 8.5, RFC 8441). A
/// block is always decoded to its end, since the HPACK tables of both sides must stay equal. One per connection; belongs to its read loop.
/// </summary>
/// <param name="maxHeadSize">Bytes of names and values, with 32 more for each (RFC 9113 section 6.5.2), that a head or trailers may have.</param>
/// <param name="maxFields">Fields that they may have, without pseudo-headers.</param>
internal sealed class MessageHeaderReader(int maxHeadSize, int maxFields)
{
    private readonly HPackDecoder _decoder = new();
    private readonly KnownText _texts = new();

    /// <summary>Reads a request.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The request is malformed (reset alone), too large (431), or says nothing that can be answered (400).</exception>
    public void ReadRequest(int streamId, ReadOnlySpan<byte> block, bool endStream, RequestHead head)
    {
        head.Clear();
        head.Version = HttpProtocolVersion.Http2;
        var sink = new RequestSink(head, _texts) { Fields = new FieldSink(head.Fields, maxHeadSize, maxFields) };
        _decoder.Decode(block, ref sink);
        if (sink.Fields.IsTooLarge)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.NoError, TooLarge("request head"), 431);
        }

        if (sink.Finish(endStream) is { } malformed)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.ProtocolError, $"malformed request: {malformed}");
        }

        if (sink.Refusal() is { } refusal)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.NoError, refusal, 400);
        }
    }

    /// <summary>Reads a response, interim or final.</summary>
    /// <param name="streamId">Stream.</param>
    /// <param name="block">Its header block.</param>
    /// <param name="endStream">Whether the response ends with it.</param>
    /// <param name="request">What it answers.</param>
    /// <param name="head">What is read into.</param>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The response is malformed, or too large (ENHANCE_YOUR_CALM).</exception>
    public void ReadResponse(int streamId, ReadOnlySpan<byte> block, bool endStream, in AnsweredRequest request, ResponseHead head)
    {
        head.Clear();
        head.Version = HttpProtocolVersion.Http2;
        var sink = new ResponseSink(head) { Fields = new FieldSink(head.Fields, maxHeadSize, maxFields) };
        _decoder.Decode(block, ref sink);
        if (sink.Fields.IsTooLarge)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.EnhanceYourCalm, TooLarge("response head"));
        }

        if (sink.Finish(endStream, request) is { } malformed)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.ProtocolError, $"malformed response: {malformed}");
        }
    }

    /// <summary>Reads trailers.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The trailers are malformed, or too large (ENHANCE_YOUR_CALM).</exception>
    public void ReadTrailers(int streamId, ReadOnlySpan<byte> block, HttpFields trailers)
    {
        trailers.Clear();
        var sink = new TrailerSink { Fields = new FieldSink(trailers, maxHeadSize, maxFields) };
        _decoder.Decode(block, ref sink);
        if (sink.Fields.IsTooLarge)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.EnhanceYourCalm, TooLarge("trailers"));
        }

        if (sink.Fields.Fault is { } malformed)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.ProtocolError, $"malformed trailers: {malformed}");
        }
    }

    /// <summary>Decodes a block that nobody wants, for the tables' sake.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    public void Skip(ReadOnlySpan<byte> block)
    {
        var sink = default(NoSink);
        _decoder.Decode(block, ref sink);
    }

    private string TooLarge(string what) => $"{what} of more than {maxHeadSize} bytes or {maxFields} fields";

    private struct NoSink : IHeaderSink
    {
        public readonly void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
        }
    }

    private struct TrailerSink : IHeaderSink
    {
        public FieldSink Fields;

        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            if (!Fields.Accept(name, value, out var pseudo))
            {
                return;
            }

            if (pseudo)
            {
                Fields.SetFault("a pseudo-header in trailers");
            }
            else if (name.SequenceEqual("content-length"u8) || name.SequenceEqual("host"u8) || name.SequenceEqual("te"u8))
            {
                // RFC 9110 section 6.5.1: what frames or routes a message is not for trailers.
                Fields.SetFault("a field in trailers that belongs to the head");
            }
            else
            {
                Fields.Add(name, value);
            }
        }
    }
}
