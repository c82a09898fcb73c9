using System.Buffers;
using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Writes CONNECT requests and their answers as frames. What repeats on a connection (method, authority, baggage) is
/// kept in the peer's table; what differs every time (forwarded, traceparent) is not. The caller holds the lock that
/// keeps blocks in the order of their encoding.
/// </summary>
internal static class ConnectHeaderWriter
{
    private const int StackBuffer = 1024;

    /// <summary>Writes a request.</summary>
    /// <exception cref="ArgumentException">A value cannot be sent: control characters, or no authority at all. Nothing was written.</exception>
    public static void WriteRequest(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, in ConnectRequestHeaders headers, bool endStream, int maxFrameSize)
    {
        var capacity = HPackEncoder.MaxBlockOverhead + HeaderListSize.Of(headers);
        var longest = Math.Max(
            Math.Max(Bytes(headers.Authority), Bytes(headers.Baggage)),
            Math.Max(Math.Max(Bytes(headers.Forwarded), Bytes(headers.TraceParent)), Math.Max(Bytes(headers.ForwardedNetwork), Bytes(headers.RequestSource))));
        byte[]? rented = null;
        var buffer = capacity + longest <= StackBuffer ? stackalloc byte[StackBuffer] : rented = ArrayPool<byte>.Shared.Rent(capacity + longest);
        try
        {
            var block = new Block(encoder, buffer[..^longest], buffer[^longest..]);
            block.Check(headers.Authority, isAuthority: true);
            block.Check(headers.Baggage);
            block.Check(headers.Forwarded);
            block.Check(headers.TraceParent);
            block.Check(headers.ForwardedNetwork);
            block.Check(headers.RequestSource);
            block.Begin();
            block.Write(":method"u8, "CONNECT"u8, HeaderIndexing.Incremental);
            block.Write(":authority"u8, headers.Authority, HeaderIndexing.Incremental);
            block.Write("baggage"u8, headers.Baggage, HeaderIndexing.Incremental);
            block.Write("forwarded"u8, headers.Forwarded, HeaderIndexing.Without);
            block.Write("traceparent"u8, headers.TraceParent, HeaderIndexing.Without);
            block.Write("x-forwarded-network"u8, headers.ForwardedNetwork, HeaderIndexing.Incremental);
            block.Write("x-istio-source"u8, headers.RequestSource, HeaderIndexing.Incremental);
            FrameWriter.WriteHeaderBlock(output, streamId, block.Written, endStream, maxFrameSize);
        }
        finally
        {
            Return(rented);
        }
    }

    /// <summary>Writes an answer.</summary>
    /// <exception cref="ArgumentException">The baggage cannot be sent. Nothing was written.</exception>
    public static void WriteResponse(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, in ConnectResponseHeaders headers, bool endStream, int maxFrameSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(headers.Status, 100);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(headers.Status, 999);
        var longest = Math.Max(3, Bytes(headers.Baggage));
        var capacity = HPackEncoder.MaxBlockOverhead + (2 * Http2Constants.HeaderOverhead) + ":status".Length + "baggage".Length + 3 + longest;
        byte[]? rented = null;
        var buffer = capacity + longest <= StackBuffer ? stackalloc byte[StackBuffer] : rented = ArrayPool<byte>.Shared.Rent(capacity + longest);
        try
        {
            Span<byte> status = [(byte)('0' + (headers.Status / 100)), (byte)('0' + (headers.Status / 10 % 10)), (byte)('0' + (headers.Status % 10))];
            var block = new Block(encoder, buffer[..^longest], buffer[^longest..]);
            block.Check(headers.Baggage);
            block.Begin();
            block.Write(":status"u8, status, HeaderIndexing.Without);
            block.Write("baggage"u8, headers.Baggage, HeaderIndexing.Incremental);
            FrameWriter.WriteHeaderBlock(output, streamId, block.Written, endStream, maxFrameSize);
        }
        finally
        {
            Return(rented);
        }
    }

    private static int Bytes(string? value) => value is null ? 0 : Encoding.UTF8.GetByteCount(value);

    private static void Return(byte[]? rented)
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private ref struct Block(HPackEncoder encoder, Span<byte> output, Span<byte> text)
    {
        private readonly Span<byte> _output = output;
        private readonly Span<byte> _text = text;
        private int _written;

        public readonly ReadOnlySpan<byte> Written => _output[.._written];

        public void Begin() => _written = encoder.BeginBlock(_output);

        public void Write(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, HeaderIndexing indexing) =>
            _written += encoder.WriteHeader(_output[_written..], name, value, indexing);

        public void Write(scoped ReadOnlySpan<byte> name, string? value, HeaderIndexing indexing)
        {
            if (value is not null)
            {
                Write(name, _text[..Encoding.UTF8.GetBytes(value, _text)], indexing);
            }
        }

        // Everything is checked before anything is encoded: half a block would leave the two tables unequal.
        public readonly void Check(string? value, bool isAuthority = false)
        {
            if (value is null)
            {
                return;
            }

            var bytes = _text[..Encoding.UTF8.GetBytes(value, _text)];
            if (isAuthority ? !HeaderRules.IsAuthority(bytes) : !HeaderRules.IsValue(bytes))
            {
                throw new ArgumentException(isAuthority ? "not an authority" : "a header value with white space around it or control characters in it", nameof(value));
            }
        }
    }
}
