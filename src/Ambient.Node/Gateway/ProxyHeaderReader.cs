using System.Net.Sockets;
using Ambient.Hbone.ProxyProtocol;

namespace Ambient.Node.Gateway;

/// <summary>
/// Reads the header of the PROXY protocol, in either version, from the beginning of a connection, and not a byte more. Bounded in bytes; in time by
/// whoever asks.
/// </summary>
internal static class ProxyHeaderReader
{
    // What either version has at least: the signature of the second, and less than the shortest line of the first.
    private const int First = 12;

    // Of the second version: what says how long the rest is.
    private const int Fixed = 16;

    /// <summary>Reads the header.</summary>
    /// <exception cref="InvalidDataException">The connection begins with something else, or with a header that nobody should send; the message says why.</exception>
    /// <exception cref="SocketException">The peer broke off.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public static async ValueTask<ProxyHeader> ReadAsync(Socket socket, CancellationToken cancellationToken)
    {
        var bytes = new byte[Fixed];
        await ReceiveAsync(socket, bytes.AsMemory(0, First), cancellationToken).ConfigureAwait(false);
        if (ProxyLine.IsBegun(bytes.AsSpan(0, First)))
        {
            return await ReadLineAsync(socket, bytes.AsMemory(0, First), cancellationToken).ConfigureAwait(false);
        }

        // Says at once what is no header; of one it knows the length once the fixed part is there.
        _ = ProxyHeader.TryRead(bytes.AsSpan(0, First), out _, out _);
        await ReceiveAsync(socket, bytes.AsMemory(First), cancellationToken).ConfigureAwait(false);
        if (!ProxyHeader.TryRead(bytes, out var header, out _))
        {
            var length = Fixed + ((bytes[14] << 8) | bytes[15]);
            Array.Resize(ref bytes, length);
            await ReceiveAsync(socket, bytes.AsMemory(Fixed), cancellationToken).ConfigureAwait(false);
            _ = ProxyHeader.TryRead(bytes, out header, out _);
        }

        return header!;
    }

    private static async ValueTask<ProxyHeader> ReadLineAsync(Socket socket, ReadOnlyMemory<byte> begun, CancellationToken cancellationToken)
    {
        var line = new byte[ProxyLine.MaxLength];
        begun.CopyTo(line);
        var length = begun.Length;
        while (line.AsSpan(0, length).IndexOf((byte)'\n') < 0)
        {
            if (length == line.Length)
            {
                throw new InvalidDataException($"PROXY protocol: a line of more than {ProxyLine.MaxLength} bytes");
            }

            // Looked at first, so that nothing is taken that comes after the line.
            var seen = await socket.ReceiveAsync(line.AsMemory(length), SocketFlags.Peek, cancellationToken).ConfigureAwait(false);
            var end = line.AsSpan(length, seen).IndexOf((byte)'\n');
            var taken = end < 0 ? seen : end + 1;
            await ReceiveAsync(socket, line.AsMemory(length, taken), cancellationToken).ConfigureAwait(false);
            length += taken;
        }

        return ProxyLine.Read(line.AsSpan(0, length));
    }

    private static async ValueTask ReceiveAsync(Socket socket, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        do
        {
            var received = await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (received == 0)
            {
                throw new InvalidDataException("PROXY protocol: the connection ended before the header did");
            }

            buffer = buffer[received..];
        }
        while (!buffer.IsEmpty);
    }
}
