using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2;

/// <summary>
/// What the streams of a connection carry, tunnels or messages: knows what header blocks mean. Called by the read loop, one block at a time, so it
/// must not block. A block is always decoded to its end, since the HPACK tables of both sides must stay equal whatever becomes of its stream.
/// </summary>
internal interface IStreamUse
{
    /// <summary>
    /// What a stream that begins or ends costs its thread, in frames: a decision, a socket, lines in logs and metrics. It counts against a turn of
    /// the read loop, which has room for 2,048 frames.
    /// </summary>
    int StreamWork { get; }

    /// <summary>Server: decodes the block that opens a stream, and remembers it for <see cref="OnStream"/>.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The stream is refused: reset, after an answer if the exception has one.</exception>
    void ReadRequest(int streamId, ReadOnlySpan<byte> block, bool endStream);

    /// <summary>Server: the stream of the block that was read last begins. Where it does not, the next block replaces that one.</summary>
    void OnStream(Http2Stream stream);

    /// <summary>Server: whether the stream has begun with what was read last, and nothing has been done for it. Read loop.</summary>
    bool IsUnbegun(Http2Stream stream) => false;

    /// <summary>Client: decodes the block of a response.</summary>
    /// <returns>Whether it is the final one.</returns>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The response is malformed or too large.</exception>
    bool OnResponse(Http2Stream stream, ReadOnlySpan<byte> block, bool endStream);

    /// <summary>Decodes the block that ends an open stream.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The trailers are malformed or too large.</exception>
    void OnTrailers(Http2Stream stream, ReadOnlySpan<byte> block);

    /// <summary>Decodes a block that nobody wants, for the tables' sake.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    void Skip(ReadOnlySpan<byte> block);

    /// <summary>The peer's SETTINGS or GOAWAY, or the end of the connection, may have changed how many streams can be opened. Any thread, never under the lock.</summary>
    void OnRoomChanged();
}
