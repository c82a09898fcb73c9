using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>
/// A waypoint behind its own ztunnel: takes connections as they are delivered, and makes one to the server for each, from its pod. Where
/// to it knows, or is told by the PROXY protocol's header.
/// </summary>
internal sealed class RelayServer : IAsyncDisposable
{
    private static readonly byte[] s_signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

    private readonly NamespaceCluster _cluster;
    private readonly string _pod;
    private readonly Socket _listener;
    private readonly IPEndPoint? _to;
    private readonly Task _accepting;

    /// <summary>Serves in a pod.</summary>
    /// <param name="cluster">Cluster.</param>
    /// <param name="pod">Pod.</param>
    /// <param name="address">Where it listens.</param>
    /// <param name="to">Where it relays to; null reads it from the PROXY protocol's header.</param>
    public RelayServer(NamespaceCluster cluster, string pod, IPEndPoint address, IPEndPoint? to)
    {
        _cluster = cluster;
        _pod = pod;
        _to = to;
        _listener = cluster.Network.Listen(pod, address);
        _accepting = AcceptAsync();
    }

    /// <summary>Source and destination of the last header, and the identity in it.</summary>
    public (IPEndPoint Source, IPEndPoint Destination, string Identity)? LastHeader { get; private set; }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = RelayAsync(await _listener.AcceptAsync());
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task RelayAsync(Socket accepted)
    {
        try
        {
            await using var client = new NetworkStream(accepted, ownsSocket: true);
            var to = _to ?? await ReadHeaderAsync(client);
            await using var server = new NetworkStream(await _cluster.Network.ConnectAsync(_pod, to, CancellationToken.None), ownsSocket: true);
            await Task.WhenAny(client.CopyToAsync(server), server.CopyToAsync(client));
        }
        catch (Exception gone) when (gone is IOException or SocketException)
        {
            // One of them left: so does the other.
        }
    }

    private async Task<IPEndPoint> ReadHeaderAsync(NetworkStream stream)
    {
        var head = new byte[16];
        await stream.ReadExactlyAsync(head);
        Assert.Equal(s_signature, head[..12]);
        Assert.Equal((0x21, 0x11), (head[12], head[13]));
        var rest = new byte[BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(14))];
        await stream.ReadExactlyAsync(rest);
        var source = new IPEndPoint(new IPAddress(rest[..4]), BinaryPrimitives.ReadUInt16BigEndian(rest.AsSpan(8)));
        var destination = new IPEndPoint(new IPAddress(rest[4..8]), BinaryPrimitives.ReadUInt16BigEndian(rest.AsSpan(10)));
        Assert.Equal(0xd0, rest[12]);
        LastHeader = (source, destination, System.Text.Encoding.ASCII.GetString(rest[15..(15 + BinaryPrimitives.ReadUInt16BigEndian(rest.AsSpan(13)))]));
        return destination;
    }
}
