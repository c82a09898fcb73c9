namespace Ambient.Hbone.Http2;

/// <summary>
/// The bytes under an HTTP/2 connection. One reader and one writer at a time, which may be different threads. Reading is
/// split so that an idle connection holds no buffer: wait, then take what is there without waiting.
/// </summary>
internal abstract class Http2Transport : IAsyncDisposable
{
    /// <summary>Space that <see cref="TryRead"/> needs: the plaintext of one TLS record.</summary>
    public const int MinReadSpace = 16 * 1024;

    /// <summary>The loop that the bytes come from, or null.</summary>
    public virtual Sockets.EventLoop? Loop => null;

    /// <summary>Completes when <see cref="TryRead"/> is worth calling. May complete for nothing.</summary>
    public abstract ValueTask WaitToReadAsync();

    /// <summary>Takes what is there, as much as fits: bytes, 0 when nothing is there now, -1 at the end.</summary>
    /// <param name="buffer">At least <see cref="MinReadSpace"/> bytes.</param>
    /// <exception cref="IOException">The connection failed.</exception>
    public abstract int TryRead(Memory<byte> buffer);

    /// <summary>Takes bytes to send. They are copied or sent when the task completes; they leave with the next flush at the latest.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>Sends what was written.</summary>
    public abstract ValueTask FlushAsync();

    /// <summary>Ends our direction after everything was flushed. Not to be called while a write runs.</summary>
    public abstract ValueTask CloseWriteAsync();

    /// <summary>Ends both directions at once and wakes whoever waits. Any thread, any time, any number of times.</summary>
    public abstract void Abort();

    /// <summary>Releases everything. Neither a read nor a write may be running.</summary>
    public abstract ValueTask DisposeAsync();
}
