using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Sockets;
using Ambient.Node.Diagnostics.Metrics;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.LocalConfig;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Capture.Dns;

/// <summary>A DNS proxy over real sockets, with a name server behind it that answers everything with NXDOMAIN and a mark.</summary>
internal sealed class DnsKit : IAsyncDisposable
{
    private readonly DnsListener _listener;
    private readonly Socket _upstream;
    private readonly Task _answering;

    private DnsKit(DnsListener listener, Socket upstream, IPEndPoint address, MetricRegistry registry)
    {
        _listener = listener;
        _upstream = upstream;
        Address = address;
        Registry = registry;
        _answering = AnswerAsync();
    }

    public IPEndPoint Address { get; }

    public MetricRegistry Registry { get; }

    public int Forwarded { get; private set; }

    public static DnsKit Start(MeshSnapshot mesh, string ns, string client, NameRules rules, bool upstream = true)
    {
        var store = new MeshStore();
        store.Publish(mesh);
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var sockets = new NodeSockets(new NodeSocketOptions { OriginalSource = OriginalSource.Off }, NullLogger.Instance);
        var registry = new MetricRegistry();
        var proxy = new DnsProxy(store, rules, new DnsMetrics(registry), NullLogger.Instance, TimeProvider.System);
        var forwarder = new DnsForwarder(upstream ? [(IPEndPoint)server.LocalEndPoint!] : [], sockets, TimeProvider.System);
        var local = LocalWorkload.ByPod(store, ns, client, TimeProvider.System);
        for (var tries = 0; ; tries++)
        {
            // One port for UDP and TCP: taken by somebody else now and then.
            var port = 20000 + Random.Shared.Next(20000);
            try
            {
                var address = new IPEndPoint(IPAddress.Loopback, port);
                var listener = new DnsListener(proxy, forwarder, local, sockets, [address], TimeProvider.System, NullLogger.Instance);
                listener.Start();
                return new DnsKit(listener, server, address, registry);
            }
            catch (IOException) when (tries < 20)
            {
            }
        }
    }

    /// <summary>A mesh in ztunnel's local format.</summary>
    public static MeshSnapshot Mesh(string yaml)
    {
        var local = LocalConfigSource.Read(new DiscoveryOptions { LocalConfig = yaml }, CancellationToken.None);
        return new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(local.Workloads, local.Services, local.Policies).Build();
    }

    /// <summary>A query's bytes.</summary>
    public static byte[] Query(string name, ushort type, ushort id = 0x1234, int payload = 0, int opcode = 0)
    {
        var message = new List<byte>(new byte[12]);
        BinaryPrimitives.WriteUInt16BigEndian(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(message), id);
        message[2] = (byte)(1 | (opcode << 3));
        message[5] = 1;
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            message.Add((byte)label.Length);
            message.AddRange(Encoding.ASCII.GetBytes(label));
        }

        message.AddRange([0, (byte)(type >> 8), (byte)type, 0, 1]);
        if (payload > 0)
        {
            message[11] = 1;
            message.AddRange([0, 0, 41, (byte)(payload >> 8), (byte)payload, 0, 0, 0x80, 0, 0, 0]);
        }

        return [.. message];
    }

    public async Task<DnsReply> AskAsync(byte[] query, bool tcp = false)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        if (tcp)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(Address, limit.Token);
            await DnsStream.WriteAsync(client.GetStream(), query, limit.Token);
            return DnsReply.Parse((await DnsStream.ReadAsync(client.GetStream(), limit.Token))!);
        }

        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(Address, limit.Token);
        await socket.SendAsync(query, limit.Token);
        var buffer = new byte[65535];
        var length = await socket.ReceiveAsync(buffer, limit.Token);
        return DnsReply.Parse(buffer[..length]);
    }

    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        _upstream.Dispose();
        await _answering;
    }

    /// <summary>A server that is authoritative, and never heard of the name: what a client must see of it is the second only.</summary>
    private async Task AnswerAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var received = await _upstream.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                Forwarded++;
                buffer[2] |= 0x84;
                buffer[3] = 3;
                await _upstream.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }
}

/// <summary>An answer, read independently of what writes it.</summary>
internal sealed record DnsReply(ushort Id, int Flags, ImmutableArray<DnsRecord> Answers, int Length, bool Edns)
{
    public int Code => Flags & 0xf;

    public bool Authoritative => (Flags & 0x0400) != 0;

    public bool RecursionAvailable => (Flags & 0x0080) != 0;

    public bool Truncated => (Flags & 0x0200) != 0;

    public static DnsReply Parse(byte[] message)
    {
        int Short(int at) => BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(at));
        var at = 12;
        for (var i = 0; i < Short(4); i++)
        {
            _ = Name(message, ref at);
            at += 4;
        }

        var answers = ImmutableArray.CreateBuilder<DnsRecord>();
        var edns = false;
        for (var i = 0; i < Short(6) + Short(8) + Short(10); i++)
        {
            var name = Name(message, ref at);
            var (type, ttl, length) = (Short(at), BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(at + 4)), Short(at + 8));
            at += 10;
            var target = at;
            edns |= type == 41;
            if (i < Short(6))
            {
                answers.Add(new DnsRecord(name, type, ttl, type is 1 or 28 ? new IPAddress(message.AsSpan(at, length)).ToString() : type == 5 ? Name(message, ref target) : ""));
            }

            at += length;
        }

        return new DnsReply((ushort)Short(0), Short(2), answers.ToImmutable(), message.Length, edns);
    }

    private static string Name(byte[] message, ref int at)
    {
        var name = new StringBuilder();
        var jumped = -1;
        for (var here = at; ;)
        {
            var length = message[here++];
            if (length >= 0xc0)
            {
                jumped = jumped < 0 ? here + 1 : jumped;
                here = ((length & 0x3f) << 8) | message[here];
                continue;
            }

            if (length == 0)
            {
                at = jumped < 0 ? here : jumped;
                return name.Length == 0 ? "." : name.ToString();
            }

            name.Append(Encoding.ASCII.GetString(message, here, length)).Append('.');
            here += length;
        }
    }
}

/// <summary>A record of an answer.</summary>
internal sealed record DnsRecord(string Name, int Type, int TimeToLive, string Data);
