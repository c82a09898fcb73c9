using System.Buffers;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Http2;

/// <summary>Who opened or serves a stream, beside the bytes in it.</summary>
internal interface IHttp2StreamOwner
{
    /// <summary>Client: the stream was opened, and nothing has come on it. Under the connection's lock.</summary>
    void OnOpened(Http2Stream stream)
    {
    }

    /// <summary>Whether trailers are to end the stream, behind the data that is queued. Under the connection's lock.</summary>
    bool HasTrailers => false;

    /// <summary>The stream ended before its time. From any thread.</summary>
    void OnFault(StreamFault fault);

    /// <summary>The data has left: writes the trailers. Under the connection's lock, once, where <see cref="HasTrailers"/>.</summary>
    void WriteTrailers(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, int maxFrameSize)
    {
    }
}
