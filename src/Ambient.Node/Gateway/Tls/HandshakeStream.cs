using System.Net.Sockets;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What <see cref="System.Net.Security.SslStream"/> reads from and writes to. Until the handshake is over it limits how many bytes the client may send,
/// and lets the computing that they cause take turns with other handshakes. Owns the socket.
/// </summary>
/// <param name="socket">The connection.</param>
/// <param name="place">Its place among the handshakes.</param>
/// <param name="mostBytes">Bytes that the client may send before it has shaken hands.</param>
internal sealed class HandshakeStream(Socket socket, HandshakePlace place, int mostBytes) : NetworkStream(socket, ownsSocket: true)
{
    private bool _established;
    private int _received;

    /// <summary>The handshake is over: from here on nothing is counted.</summary>
    public void Establish() => _established = true;

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _established ? base.ReadAsync(buffer, cancellationToken) : ReadInTurnAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer) => throw new NotSupportedException();

    private async ValueTask<int> ReadInTurnAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        place.Leave();
        var read = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if ((_received += read) > mostBytes)
        {
            throw new IOException($"the client sent more than {mostBytes} bytes before the TLS handshake was done");
        }

        await place.EnterAsync().ConfigureAwait(false);
        return read;
    }
}
