using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Ambient.Node.ControlPlane;

/// <summary>
/// A connection of HTTP/2 on which a TCP reset reads as the end of the stream, and what is written to a peer that has gone is dropped.
/// </summary>
/// <remarks>
/// A reset is told to one call only: to a read, or to a write that came first, after which reads see an ordinary end and writes a broken
/// pipe. Which one it is depends on the moment, so one event would have three names; and a server that said goodbye (GOAWAY, RFC 9113
/// section 6.8) and then reset the connection would look like one that was lost, because only the ordinary end makes HttpClient quote the
/// goodbye. Nothing is hidden by this: HTTP/2 knows from its own frames what was whole, and ends every call that was not.
/// </remarks>
/// <param name="inner">The connection, after its TLS handshake. Owned.</param>
internal sealed class ResetAsEndStream(Stream inner) : Stream
{
    public override bool CanRead => inner.CanRead;

    public override bool CanWrite => inner.CanWrite;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        try
        {
            return inner.Read(buffer, offset, count);
        }
        catch (IOException e) when (IsReset(e))
        {
            return 0;
        }
    }

    // Twice for each frame: its state is used again.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e) when (IsReset(e))
        {
            return 0;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count)
    {
        try
        {
            inner.Write(buffer, offset, count);
        }
        catch (IOException e) when (IsReset(e))
        {
            // The read that is always under way on an HTTP/2 connection sees the end.
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e) when (IsReset(e))
        {
            // As above.
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await inner.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    // EPIPE is "Shutdown" to .NET.
    private static bool IsReset(IOException e) =>
        e.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown };
}
