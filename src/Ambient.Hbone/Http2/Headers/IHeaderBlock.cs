using System.Buffers;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>A header block that can be written. The caller holds the lock that keeps blocks in the order of their encoding.</summary>
internal interface IHeaderBlock
{
    /// <summary>Writes it as HEADERS, and CONTINUATIONs where it is long.</summary>
    /// <exception cref="ArgumentException">A value cannot be sent. Nothing was written.</exception>
    void Write(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, bool endStream, int maxFrameSize);
}
