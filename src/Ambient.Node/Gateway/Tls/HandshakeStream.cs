using System.Net.Sockets;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What <see cref="System.Net.Security.SslStream"/> reads from and writes to. Until the handshake is over it limits how many bytes the client may send,
/// lets the computing that they cause take turns with other handshakes, and keeps what came first, for who must know more of a ClientHello than
/// SslStream tells. Owns the socket.
/// </summary>
/// <param name="socket">The connection.</param>
/// <param name="place">Its place among the handshakes.</param>
/// <param name="mostBytes">Bytes that the client may send before it has shaken hands.</param>
/// <param name="received">What was received already.</param>
internal sealed class HandshakeStream(Socket socket, HandshakePlace place, int mostBytes, ReadOnlyMemory<byte> received = default) : NetworkStream(socket, ownsSocket: true)
{
    private ReadOnlyMemory<byte> _first = received;
    private byte[]? _hello = [];
    private bool _established;
    private int _received;

    /// <summary>What the client has sent first, its ClientHello. Asked for once: it is not kept any longer.</summary>
    public byte[] TakeHello()
    {
        var hello = _hello ?? [];
        _hello = null;
        return hello;
    }

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
        int read;
        if (_first.IsEmpty)
        {
            read = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            read = Math.Min(_first.Length, buffer.Length);
            _first[..read].CopyTo(buffer);
            _first = _first[read..];
        }

        if ((_received += read) > mostBytes)
        {
            throw new IOException($"the client sent more than {mostBytes} bytes before the TLS handshake was done");
        }

        _hello = _hello is null ? null : [.. _hello, .. buffer.Span[..read]];
        await place.EnterAsync().ConfigureAwait(false);
        return read;
    }
}
