using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>
/// A client of HTTP/1.1 that never sends a request twice: what is lost on the way is an error. It keeps its connection until an answer says that it was
/// the last, as RFC 9112 section 9.6 has it, and connects by a pod's SOCKS5 port or directly.
/// </summary>
internal sealed class StrictClient(IPEndPoint to, string? socksName) : IDisposable
{
    private readonly byte[] _buffer = new byte[4096];
    private NetworkStream? _stream;
    private int _held;

    /// <summary>Answers that said that they were their connection's last.</summary>
    public int Closed { get; private set; }

    /// <summary>Sends a request with a body and reads the answer's status and body.</summary>
    /// <exception cref="IOException">The connection ended, or the answer is none.</exception>
    public async Task<(int Status, string Body)> PostAsync(string host, string body, CancellationToken cancellationToken)
    {
        _stream ??= await ConnectAsync(cancellationToken);
        await _stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /strict HTTP/1.1\r\nhost: {host}\r\ncontent-length: {body.Length}\r\n\r\n{body}"), cancellationToken);
        var end = -1;
        for (; end < 0; end = _buffer.AsSpan(0, _held).IndexOf("\r\n\r\n"u8))
        {
            await FillAsync(cancellationToken);
        }

        var head = Encoding.ASCII.GetString(_buffer, 0, end).ToLowerInvariant().Split("\r\n");
        var length = int.Parse(head.Single(line => line.StartsWith("content-length:", StringComparison.Ordinal))["content-length:".Length..], CultureInfo.InvariantCulture);
        while (_held < end + 4 + length)
        {
            await FillAsync(cancellationToken);
        }

        var answer = Encoding.ASCII.GetString(_buffer, end + 4, length);
        _held -= end + 4 + length;
        if (_held != 0)
        {
            throw new IOException("more came than the answer");
        }

        if (head.Contains("connection: close"))
        {
            Closed++;
            await _stream.DisposeAsync();
            _stream = null;
        }

        return (int.Parse(head[0].AsSpan(9, 3), CultureInfo.InvariantCulture), answer);
    }

    public void Dispose() => _stream?.Dispose();

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        var read = await _stream!.ReadAsync(_buffer.AsMemory(_held), cancellationToken);
        _held += read > 0 ? read : throw new IOException("the connection ended without an answer");
    }

    private async Task<NetworkStream> ConnectAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(to, cancellationToken);
        var stream = new NetworkStream(socket, ownsSocket: true);
        if (socksName is not null)
        {
            await stream.WriteAsync((byte[])[5, 1, 0, 5, 1, 0, 3, (byte)socksName.Length, .. Encoding.ASCII.GetBytes(socksName), 9080 >> 8, 9080 & 255], cancellationToken);
            var answer = new byte[12];
            await stream.ReadExactlyAsync(answer, cancellationToken);
            if (answer[3] != 0)
            {
                throw new IOException($"SOCKS5 answered {answer[3]}");
            }
        }

        return stream;
    }
}
