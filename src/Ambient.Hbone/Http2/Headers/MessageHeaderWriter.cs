using System.Buffers;
using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Writes heads and trailers of messages as frames. What repeats on a connection is kept in the peer's table; what differs every time is not, and
/// secrets never are. The caller holds the lock that keeps blocks in the order of their encoding.
/// </summary>
internal static class MessageHeaderWriter
{
    private const int StackBuffer = 2048;

    // Beside its fields: five pseudo-headers, content-length and te, with the names of all and the longest number.
    private const int FixedSize = HPackEncoder.MaxBlockOverhead + (8 * HPackEncoder.MaxHeaderOverhead) + 128;

    /// <summary>Writes a request; one with an <see cref="RequestHead.Upgrade"/> as the extended CONNECT that it is here (RFC 8441).</summary>
    [SkipLocalsInit]
    public static void WriteRequest(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, RequestHead head, bool endStream, int maxFrameSize)
    {
        var texts = head.Method.Length + head.Scheme.Length + head.Authority.Length + head.Target.Length + (head.Upgrade?.Length ?? 0);
        var block = new Block(encoder, Capacity(head.Fields) + texts, texts, stackalloc byte[StackBuffer]);
        var isTunnel = head.Method == "CONNECT";
        block.WriteMethod(head.Upgrade is null ? head.Method : "CONNECT");
        if (head.Upgrade is not null)
        {
            block.Write(":protocol"u8, head.Upgrade, HeaderIndexing.Incremental);
        }

        if (!isTunnel)
        {
            block.WriteScheme(head.Scheme);
            block.WritePath(head.Target);
        }

        block.Write(":authority"u8, head.Authority, HeaderIndexing.Incremental);
        block.Write(head.Fields);
        if (head.Upgrade is null && !isTunnel)
        {
            block.WriteLength(head.ContentLength);
        }

        if (head.TakesTrailers)
        {
            block.Write("te"u8, "trailers"u8, HeaderIndexing.Incremental);
        }

        block.End(output, streamId, endStream, maxFrameSize);
    }

    /// <summary>Writes a response. A 101 is the 200 that it is here (RFC 8441 section 5).</summary>
    [SkipLocalsInit]
    public static void WriteResponse(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, ResponseHead head, bool endStream, int maxFrameSize)
    {
        var block = new Block(encoder, Capacity(head.Fields), 0, stackalloc byte[StackBuffer]);
        var status = head.Status == 101 ? 200 : head.Status;
        block.WriteStatus(status);
        block.Write(head.Fields);
        if (head.Upgrade is null && status is >= 200 and not 204)
        {
            block.WriteLength(head.ContentLength);
        }

        block.End(output, streamId, endStream, maxFrameSize);
    }

    /// <summary>Writes trailers, which end the stream.</summary>
    [SkipLocalsInit]
    public static void WriteTrailers(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, HttpFields trailers, int maxFrameSize)
    {
        var block = new Block(encoder, Capacity(trailers), 0, stackalloc byte[StackBuffer]);
        block.Write(trailers);
        block.End(output, streamId, endStream: true, maxFrameSize);
    }

    private static int Capacity(HttpFields fields) => FixedSize + fields.Size + (fields.Count * HPackEncoder.MaxHeaderOverhead);

    private ref struct Block
    {
        private readonly HPackEncoder _encoder;
        private readonly byte[]? _rented;
        private readonly Span<byte> _output;
        private readonly Span<byte> _text;
        private int _written;

        public Block(HPackEncoder encoder, int capacity, int longestText, Span<byte> stack)
        {
            _encoder = encoder;
            _rented = capacity + longestText <= stack.Length ? null : ArrayPool<byte>.Shared.Rent(capacity + longestText);
            var all = _rented ?? stack;
            _output = all[longestText..];
            _text = all[..longestText];
            _written = encoder.BeginBlock(_output);
        }

        public void Write(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, HeaderIndexing indexing) =>
            _written += _encoder.WriteHeader(_output[_written..], name, value, indexing);

        public void Write(scoped ReadOnlySpan<byte> name, string value, HeaderIndexing indexing)
        {
            // Not from the text of the head alone: "http" and "CONNECT" are constants and may be longer.
            Span<byte> constant = stackalloc byte[8];
            var text = value.Length <= constant.Length ? constant : _text;
            Write(name, text[..Encoding.Latin1.GetBytes(value, text)], indexing);
        }

        public void WriteMethod(string method)
        {
            if (method is "GET" or "POST")
            {
                WriteIndexed(method == "GET" ? StaticTable.MethodGet : StaticTable.MethodPost);
                return;
            }

            Write(":method"u8, method, HeaderIndexing.Incremental);
        }

        public void WriteScheme(string scheme)
        {
            if (scheme is "http" or "")
            {
                WriteIndexed(StaticTable.SchemeHttp);
                return;
            }

            Write(":scheme"u8, scheme, HeaderIndexing.Incremental);
        }

        public void WritePath(string path)
        {
            if (path == "/")
            {
                WriteIndexed(StaticTable.PathSlash);
                return;
            }

            WriteUnkept(StaticTable.PathSlash, ":path"u8, _text[..Encoding.Latin1.GetBytes(path, _text)], HeaderIndexing.Without);
        }

        public void WriteStatus(int status)
        {
            if (status == 200)
            {
                WriteIndexed(StaticTable.Status200);
                return;
            }

            ReadOnlySpan<byte> digits = [(byte)('0' + (status / 100)), (byte)('0' + (status / 10 % 10)), (byte)('0' + (status % 10))];
            Write(":status"u8, digits, HeaderIndexing.Incremental);
        }

        public void Write(HttpFields fields)
        {
            for (var i = 0; i < fields.Count; i++)
            {
                var field = fields[i];
                Write(field.Name, field.Value);
            }
        }

        public void WriteLength(long? length)
        {
            if (length is { } bytes)
            {
                Span<byte> digits = stackalloc byte[20];
                Utf8Formatter.TryFormat(bytes, digits, out var count);
                WriteUnkept(StaticTable.ContentLength, "content-length"u8, digits[..count], HeaderIndexing.Without);
            }
        }

        public readonly void End(IBufferWriter<byte> output, int streamId, bool endStream, int maxFrameSize)
        {
            FrameWriter.WriteHeaderBlock(output, streamId, _output[.._written], endStream, maxFrameSize);
            if (_rented is not null)
            {
                ArrayPool<byte>.Shared.Return(_rented);
            }
        }

        /// <summary>
        /// A field, by whether it comes again. A handler may have set it: what speaks of one connection has no place here (RFC 9113 section 8.2.2),
        /// and the head itself says what host and length are.
        /// </summary>
        private void Write(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            switch (name.Length)
            {
                case 4 when name.SequenceEqual("host"u8):
                case 14 when name.SequenceEqual("content-length"u8):
                case 2 or 7 or 10 or 16 or 17 when HeaderRules.IsConnectionSpecific(name, value):
                    return;
            }

            var (indexing, known) = name.Length switch
            {
                3 when name.SequenceEqual("age"u8) => (HeaderIndexing.Without, StaticTable.Age),
                4 when name.SequenceEqual("date"u8) => (HeaderIndexing.Without, StaticTable.Date),
                4 when name.SequenceEqual("etag"u8) => (HeaderIndexing.Without, StaticTable.ETag),
                6 when name.SequenceEqual("cookie"u8) => (HeaderIndexing.Never, StaticTable.Cookie),
                7 when name.SequenceEqual("expires"u8) => (HeaderIndexing.Without, StaticTable.Expires),
                8 when name.SequenceEqual("location"u8) => (HeaderIndexing.Without, StaticTable.Location),
                10 when name.SequenceEqual("set-cookie"u8) => (HeaderIndexing.Never, StaticTable.SetCookie),
                11 when name.SequenceEqual("traceparent"u8) || name.SequenceEqual("x-b3-spanid"u8) => (HeaderIndexing.Without, 0),
                12 when name.SequenceEqual("x-request-id"u8) || name.SequenceEqual("x-b3-traceid"u8) => (HeaderIndexing.Without, 0),
                13 when name.SequenceEqual("authorization"u8) => (HeaderIndexing.Never, StaticTable.Authorization),
                13 when name.SequenceEqual("last-modified"u8) => (HeaderIndexing.Without, StaticTable.LastModified),
                19 when name.SequenceEqual("proxy-authorization"u8) => (HeaderIndexing.Never, StaticTable.ProxyAuthorization),
                29 when name.SequenceEqual("x-envoy-upstream-service-time"u8) => (HeaderIndexing.Without, 0),
                _ => (HeaderIndexing.Incremental, 0),
            };
            if (indexing == HeaderIndexing.Incremental)
            {
                Write(name, value, indexing);
            }
            else
            {
                WriteUnkept(known, name, value, indexing);
            }
        }

        private void WriteIndexed(int index) => _written += HPackEncoder.WriteIndexed(_output[_written..], index);

        private void WriteUnkept(int nameIndex, scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, HeaderIndexing indexing) =>
            _written += HPackEncoder.WriteUnkept(_output[_written..], nameIndex, name, value, indexing);
    }
}
