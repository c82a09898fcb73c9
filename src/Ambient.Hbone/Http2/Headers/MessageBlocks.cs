using System.Buffers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>The header block of a request.</summary>
internal readonly struct RequestBlock(RequestHead head) : IHeaderBlock
{
    public void Write(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, bool endStream, int maxFrameSize) =>
        MessageHeaderWriter.WriteRequest(output, encoder, streamId, head, endStream, maxFrameSize);
}

/// <summary>The header block of a response.</summary>
internal readonly struct ResponseBlock(ResponseHead head) : IHeaderBlock
{
    public void Write(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, bool endStream, int maxFrameSize) =>
        MessageHeaderWriter.WriteResponse(output, encoder, streamId, head, endStream, maxFrameSize);
}

/// <summary>The header block of trailers.</summary>
internal readonly struct TrailerBlock(HttpFields trailers) : IHeaderBlock
{
    public void Write(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, bool endStream, int maxFrameSize) =>
        MessageHeaderWriter.WriteTrailers(output, encoder, streamId, trailers, maxFrameSize);
}
