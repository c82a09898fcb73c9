using System.Net.Sockets;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What <see cref="System.Net.Security.SslStream"/> reads from and writes to. Until the handshake is over, a client may send so many bytes, and
/// what comes of them is computed in turns with the handshakes of others. Owns the socket.
/// </summary>
/// <param name="socket">The connection.</param>
/// <param name="place">Its place among the handshakes.</param>
/// <param name="mostBytes">Bytes that the client may send before it has shaken hands.</param>
internal sealed class HandshakeStream(Socket socket, HandshakePlace place, int mostBytes) : Stream
{
    private readonly NetworkStream _stream = new(socket, ownsSocket: true);
    private bool _established;
    private int _received;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>The handshake is over: from here on nothing is counted.</summary>
    public void Establish() => _established = true;

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _established ? _stream.ReadAsync(buffer, cancellationToken) : ReadInTurnAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _stream.WriteAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadInTurnAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        place.Leave();
        var read = await _stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if ((_received += read) > mostBytes)
        {
            throw new IOException($"the client sent more than {mostBytes} bytes before the TLS handshake was done");
        }

        await place.EnterAsync().ConfigureAwait(false);
        return read;
    }
}
