using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Samples.Bookinfo.Walkthrough.Evidence;

/// <summary>
/// Reads TCP segments off the wire of this machine, as anyone between two nodes could. Needs CAP_NET_RAW; without it
/// the logs and metrics are the evidence.
/// </summary>
internal sealed class PacketPeek : IAsyncDisposable
{
    private const int KeptBytes = 1 << 20;

    private readonly Socket _socket;
    private readonly Task _reading;
    private readonly Lock _lock = new();
    private readonly Dictionary<IPEndPoint, MemoryStream> _byDestination = [];
    private readonly IPEndPoint[] _watched;

    private PacketPeek(Socket socket, IPEndPoint[] watched)
    {
        _socket = socket;
        _watched = watched;
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>A raw IPv4 TCP socket: it gets a copy of every segment that arrives in its network, loopback included.</summary>
    public static Socket RawSocket() => new(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Tcp) { ReceiveBufferSize = 8 << 20 };

    /// <summary>Starts reading what is sent to the given endpoints; null when this process may not.</summary>
    public static PacketPeek? TryStart(Func<Socket> rawSocket, params IPEndPoint[] watched)
    {
        try
        {
            return new PacketPeek(rawSocket(), watched);
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>Bytes seen on their way to an endpoint, in order of arrival.</summary>
    public byte[] SentTo(IPEndPoint destination)
    {
        lock (_lock)
        {
            return _byDestination.TryGetValue(destination, out var bytes) ? bytes.ToArray() : [];
        }
    }

    /// <summary>The first line of an HTTP/1.1 request in the bytes, or null when they do not read as one.</summary>
    public static string? FindRequestLine(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf(" HTTP/1.1\r\n"u8);
        if (end < 0)
        {
            return null;
        }

        var start = bytes[..end].LastIndexOf((byte)'\n') + 1;
        foreach (var method in (ReadOnlySpan<string>)["GET ", "DELETE ", "POST "])
        {
            var at = bytes[start..end].LastIndexOf(Encoding.ASCII.GetBytes(method));
            if (at >= 0)
            {
                return Encoding.ASCII.GetString(bytes[(start + at)..(end + " HTTP/1.1".Length)]);
            }
        }

        return null;
    }

    private async Task ReadAsync()
    {
        var packet = new byte[65536];
        try
        {
            while (true)
            {
                var length = await _socket.ReceiveAsync(packet).ConfigureAwait(false);
                Keep(packet.AsSpan(0, length));
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Disposed: the peek is over.
        }
    }

    private void Keep(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 40)
        {
            return;
        }

        var ipHeader = (packet[0] & 0x0f) * 4;
        var tcp = packet[ipHeader..];
        if (tcp.Length < 20)
        {
            return;
        }

        var destination = new IPEndPoint(new IPAddress(packet[16..20]), (tcp[2] << 8) | tcp[3]);
        var payload = tcp[Math.Min(tcp.Length, (tcp[12] >> 4) * 4)..];
        if (payload.IsEmpty || !_watched.Contains(destination))
        {
            return;
        }

        lock (_lock)
        {
            if (!_byDestination.TryGetValue(destination, out var bytes))
            {
                _byDestination[destination] = bytes = new MemoryStream();
            }

            if (bytes.Length < KeptBytes)
            {
                bytes.Write(payload);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _reading.ConfigureAwait(false);
    }
}
