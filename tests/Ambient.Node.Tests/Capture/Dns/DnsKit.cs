using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Capture.Dns;

/// <summary>A DNS proxy over real sockets, with name servers behind it.</summary>
internal sealed class DnsKit : IAsyncDisposable
{
    private readonly DnsListener _listener;
    private readonly NameServer[] _servers;

    private DnsKit(DnsListener listener, NameServer[] servers)
    {
        _listener = listener;
        _servers = servers;
    }

    public required IPEndPoint Address { get; init; }

    public required MetricRegistry Registry { get; init; }

    public required DnsProxy Proxy { get; init; }

    public required LocalWorkload Local { get; init; }

    public required Func<DnsForwarder> NewForwarder { get; init; }

    /// <summary>How many questions came to the name servers.</summary>
    public int Forwarded => _servers.Sum(server => server.Asked.Count);

    /// <summary>Starts with one server that knows nothing.</summary>
    public static DnsKit Start(MeshSnapshot mesh, string ns, string client, NameRules rules, bool upstream = true, IPAddress? at = null) =>
        Start(mesh, ns, client, rules, TimeProvider.System, upstream ? [NameServer.Start()] : [], at);

    /// <summary>Starts with servers, which are the kit's from now on.</summary>
    public static DnsKit Start(MeshSnapshot mesh, string ns, string client, NameRules rules, TimeProvider time, NameServer[] servers, IPAddress? at = null)
    {
        var store = new MeshStore();
        store.Publish(mesh);
        var sockets = new NodeSockets(new NodeSocketOptions { OriginalSource = OriginalSource.Off }, NullLogger.Instance);
        var registry = new MetricRegistry();
        var proxy = new DnsProxy(store, rules, new DnsMetrics(registry), NullLogger.Instance, time);
        DnsForwarder NewForwarder() => new([.. servers.Select(server => server.Address)], sockets, time);
        var local = LocalWorkload.ByPod(store, ns, client, time);
        for (var tries = 0; ; tries++)
        {
            // One port for UDP and TCP: taken by somebody else now and then.
            var address = new IPEndPoint(at ?? IPAddress.Loopback, 20000 + Random.Shared.Next(12000));
            try
            {
                var listener = new DnsListener(proxy, NewForwarder(), local, sockets, [address], time, NullLogger.Instance);
                listener.Start();
                return new DnsKit(listener, servers) { Address = address, Registry = registry, Proxy = proxy, Local = local, NewForwarder = NewForwarder };
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
    public static byte[] Query(string name, ushort type, ushort id = 0x1234, int payload = 0, int opcode = 0, ushort @class = 1)
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

        message.AddRange([0, (byte)(type >> 8), (byte)type, (byte)(@class >> 8), (byte)@class]);
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
            using var client = new TcpClient(Address.AddressFamily);
            await client.ConnectAsync(Address, limit.Token);
            await DnsStream.WriteAsync(client.GetStream(), query, limit.Token);
            return DnsReply.Parse((await DnsStream.ReadAsync(client.GetStream(), limit.Token))!);
        }

        return DnsReply.Parse(await AskUdpAsync(query, limit.Token));
    }

    /// <summary>The bytes that come back for a datagram.</summary>
    public async Task<byte[]> AskUdpAsync(byte[] query, CancellationToken cancellationToken = default)
    {
        using var socket = new Socket(Address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(Address, cancellationToken);
        await socket.SendAsync(query, cancellationToken);
        var buffer = new byte[65535];
        var length = await socket.ReceiveAsync(buffer, cancellationToken);
        return buffer[..length];
    }

    /// <summary>What is counted, as Prometheus reads it.</summary>
    public string Metrics()
    {
        var text = Utf8TextBuilder.Rent();
        Registry.Write(text);
        var metrics = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return metrics;
    }

    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }
    }
}

/// <summary>An answer, read independently of what writes it.</summary>
internal sealed record DnsReply(ushort Id, int Flags, ImmutableArray<DnsRecord> Answers, int Length, bool Edns, int Payload, int EdnsFlags, int Additionals)
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
        var (edns, payload, ednsFlags) = (false, 0, 0);
        for (var i = 0; i < Short(6) + Short(8) + Short(10); i++)
        {
            var name = Name(message, ref at);
            var (type, @class, ttl, length) = (Short(at), Short(at + 2), BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(at + 4)), Short(at + 8));
            at += 10;
            var target = at;
            if (type == 41)
            {
                Assert.False(edns, "EDNS twice");
                (edns, payload, ednsFlags) = (true, @class, ttl);
            }

            if (i < Short(6))
            {
                answers.Add(new DnsRecord(name, type, ttl, type is 1 or 28 ? new IPAddress(message.AsSpan(at, length)).ToString() : type == 5 ? Name(message, ref target) : ""));
            }

            at += length;
        }

        return new DnsReply((ushort)Short(0), Short(2), answers.ToImmutable(), message.Length, edns, payload, ednsFlags, Short(10));
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
