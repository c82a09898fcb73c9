using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// Takes what a stream receives. <see cref="OnData"/> and <see cref="OnEnd"/> come from the connection's read loop, which
/// must never wait for one stream: a sink takes what it can at once and keeps the rest, at most a window of it. It
/// returns credit with <see cref="Http2Stream.Consumed"/> as bytes leave it.
/// </summary>
internal interface IStreamSink
{
    /// <summary>Takes over what came before the sink was attached. Called under the stream's lock: stores, and nothing else.</summary>
    /// <param name="early">Bytes received so far, or null; the sink owns it from here.</param>
    /// <param name="ended">Whether the peer's half has ended.</param>
    void Begin(ChunkQueue? early, bool ended);

    /// <summary>The peer sent bytes; valid during the call only.</summary>
    void OnData(ReadOnlySpan<byte> data);

    /// <summary>The peer half-closed.</summary>
    void OnEnd();

    /// <summary>The stream ended before its time. From any thread, once; data may still be on its way in on the read loop.</summary>
    void OnFault(StreamFault fault);
}
