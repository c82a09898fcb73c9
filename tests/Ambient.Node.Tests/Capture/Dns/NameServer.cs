using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Dns;

namespace Ambient.Node.Tests.Capture.Dns;

/// <summary>
/// A name server outside of the mesh, by UDP and TCP on one port. Unless told otherwise it is authoritative and never heard of the name: what a
/// client must see of that is the second only.
/// </summary>
internal sealed class NameServer : IAsyncDisposable
{
    private readonly Socket _datagrams = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Socket? _streams;
    private readonly List<Task> _loops = [];

    private NameServer(Socket? streams, int port)
    {
        _streams = streams;
        _datagrams.Bind(new IPEndPoint(IPAddress.Loopback, port));
        Address = (IPEndPoint)_datagrams.LocalEndPoint!;
        _loops.Add(ReceiveAsync());
        if (streams is not null)
        {
            _loops.Add(AcceptAsync(streams));
        }
    }

    public IPEndPoint Address { get; }

    /// <summary>What is answered to a question; null: nothing.</summary>
    public Func<byte[], bool, byte[]?> Answer { get; set; } = (query, _) => Reply(query, code: 3, authoritative: true);

    /// <summary>Every question that came, and whether by TCP.</summary>
    public ConcurrentQueue<(byte[] Query, bool Tcp)> Asked { get; } = new();

    public static NameServer Start(bool tcp = true)
    {
        for (var tries = 0; ; tries++)
        {
            Socket? streams = null;
            try
            {
                if (tcp)
                {
                    streams = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    streams.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                    streams.Listen();
                }

                return new NameServer(streams, tcp ? ((IPEndPoint)streams!.LocalEndPoint!).Port : 0);
            }
            catch (SocketException) when (tries < 20)
            {
                // The port is somebody's by UDP.
                streams?.Dispose();
            }
        }
    }

    /// <summary>The question under an answer's header, and records after it; EDNS is not known here.</summary>
    public static byte[] Reply(byte[] query, int code = 0, bool authoritative = false, bool truncated = false, int answers = 0, int additionals = 0, params byte[][] records)
    {
        byte[] reply = [.. query[11] == 1 ? query[..^11] : query, .. records.SelectMany(record => record)];
        reply[2] = (byte)(0x80 | (authoritative ? 4 : 0) | (truncated ? 2 : 0) | (query[2] & 0x79));
        reply[3] = (byte)code;
        reply[7] = (byte)answers;
        reply[11] = (byte)additionals;
        return reply;
    }

    /// <summary>A record of the name that was asked for.</summary>
    public static byte[] Record(IPAddress address, int ttl = 77)
    {
        var data = address.GetAddressBytes();
        byte[] record = [0xc0, 12, 0, (byte)(data.Length == 4 ? 1 : 28), 0, 1, 0, 0, 0, 0, 0, (byte)data.Length, .. data];
        BinaryPrimitives.WriteInt32BigEndian(record.AsSpan(6), ttl);
        return record;
    }

    public async ValueTask DisposeAsync()
    {
        _datagrams.Dispose();
        _streams?.Dispose();
        await Task.WhenAll(_loops);
    }

    private async Task ReceiveAsync()
    {
        var buffer = new byte[65535];
        try
        {
            while (true)
            {
                var received = await _datagrams.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                var query = buffer[..received.ReceivedBytes];
                Asked.Enqueue((query, false));
                if (Answer([.. query], false) is { } answer)
                {
                    await _datagrams.SendToAsync(answer, received.RemoteEndPoint);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        try
        {
            while (await DnsStream.ReadAsync(stream, default) is { } query)
            {
                Asked.Enqueue((query, true));
                if (Answer([.. query], true) is { } answer)
                {
                    await DnsStream.WriteAsync(stream, answer, default);
                }
            }
        }
        catch (IOException)
        {
        }
    }
}
