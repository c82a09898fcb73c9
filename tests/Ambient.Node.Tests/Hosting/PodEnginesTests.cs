using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Inbound;
using Ambient.Node.Outbound;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Capture.Dns;
using Ambient.Node.Tests.Capture.InPod;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Policy.Routing.Names;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Hosting;

/// <summary>A pod's engines as the host puts them together, in a network of the pod's own.</summary>
public sealed class PodEnginesTests
{
    private static readonly IPAddress s_vip = IPAddress.Parse("10.96.0.1");
    private static readonly IPAddress s_server = IPAddress.Parse("127.0.0.5");

    [SkippableTheory]
    [InlineData(ZtunnelMode.Dedicated)]
    [InlineData(ZtunnelMode.Shared)]
    public async Task DestinationThatTheMeshDoesNotKnow_IsAskedFor_WhereItIsLearnedOnDemand(ZtunnelMode mode)
    {
        using var pod = await OtherNetwork.CreateAsync();
        await using var engines = new Engines(mode);
        await using var node = engines.Create(pod);
        await node.StartAsync();
        await using var echo = pod.Namespace.Run(() => new EchoServer(new IPEndPoint(s_server, 8080)));

        // A service, which has no route there: it is reached only by whoever has learned what it stands for.
        using var client = await Socks5Async(pod, [1, .. s_vip.GetAddressBytes()], 80);

        Assert.Equal("hello", await LoopbackMesh.EchoAsync(client, "hello"));
        Assert.Equal(["/10.96.0.1"], engines.Demand.Names.Distinct());
    }

    [SkippableTheory]
    [InlineData(true, 0)]
    [InlineData(false, 7)]
    public async Task NameInASocks5Request_IsResolvedByThePodsDnsProxy_IfThereIsOne(bool dns, byte reply)
    {
        using var pod = await OtherNetwork.CreateAsync();
        await using var engines = new Engines(ZtunnelMode.Shared, dns);
        engines.Demand.Learn();
        await using var node = engines.Create(pod);
        await node.StartAsync();
        await using var echo = pod.Namespace.Run(() => new EchoServer(new IPEndPoint(s_server, 8080)));

        using var client = await Socks5Async(pod, [3, 10, .. "server.app"u8], 80, reply);

        if (dns)
        {
            Assert.Equal("hello", await LoopbackMesh.EchoAsync(client, "hello"));
            Assert.Equal("10.96.0.1", Assert.Single(await AskAsync(pod, "server.app")).Data);
        }
    }

    [SkippableFact]
    public async Task NameThatIsNotTheMeshs_IsAskedForFromThePodsOwnNetwork()
    {
        using var pod = await OtherNetwork.CreateAsync();

        // On the pod's loopback, where nobody gets to from elsewhere.
        await using var server = pod.Namespace.Run(() => NameServer.Start());
        server.Answer = (query, _) => NameServer.Reply(query, answers: 1, records: NameServer.Record(s_server));
        await using var engines = new Engines(ZtunnelMode.Shared, dns: true, server.Address);
        await using var node = engines.Create(pod);
        await node.StartAsync();
        await using var echo = pod.Namespace.Run(() => new EchoServer(new IPEndPoint(s_server, 8080)));

        Assert.Equal(s_server.ToString(), Assert.Single(await AskAsync(pod, "elsewhere.example")).Data);
        using var client = await Socks5Async(pod, [3, 17, .. "elsewhere.example"u8], 8080);
        Assert.Equal("hello", await LoopbackMesh.EchoAsync(client, "hello"));
        Assert.Equal(2, server.Asked.Count);
    }

    private static async Task<Socket> Socks5Async(OtherNetwork pod, byte[] target, int port, byte reply = 0)
    {
        var client = pod.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        await client.ConnectAsync(IPAddress.Loopback, ReservedPorts.Socks5);
        await client.SendAsync((byte[])[5, 1, 0, 5, 1, 0, .. target, (byte)(port >> 8), (byte)port]);
        Assert.Equal([5, 0, 5, reply, 0, 1, 0, 0, 0, 0, 0, 0], await LoopbackMesh.ReadAsync(client, 12));
        return client;
    }

    private static async Task<ImmutableArray<DnsRecord>> AskAsync(OtherNetwork pod, string name)
    {
        using var socket = pod.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        await socket.ConnectAsync(IPAddress.Loopback, 15053);
        await socket.SendAsync(DnsKit.Query(name, 1));
        var buffer = new byte[512];
        var length = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(30));
        return DnsReply.Parse(buffer[..length]).Answers;
    }

    /// <summary>What the host gives its pods; the client is all that the mesh knows at first.</summary>
    private sealed class Engines : IAsyncDisposable
    {
        private readonly DiagnosticsKit _log = new();
        private readonly SvidCache _svids = new(new TestAuthority());
        private readonly EngineParts _parts;

        public Engines(ZtunnelMode mode, bool dns = false, params IPEndPoint[] nameServers)
        {
            var store = new MeshStore();
            store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty)
                .Set(new Workload { Uid = "client", Name = "client", Namespace = "app", ServiceAccount = "client", Addresses = [IPAddress.Parse("127.0.0.2")], Protocol = TunnelProtocol.Hbone })
                .Build());
            Demand = new Asked(store);
            var registry = new MetricRegistry();
            var log = new ConnectionLog(_log.Loggers);
            var rules = new NameRules("cluster.local");
            _parts = new EngineParts
            {
                Io = HboneIo.Default,
                Options = new ZtunnelOptions { Mode = mode, Socks5 = true, Dns = dns },
                Mesh = store,
                Demand = Demand,
                Svids = _svids,
                Revocation = null,
                Connections = new ConnectionTable(log, null, null, TimeProvider.System),
                Reserved = new ReservedPorts(socks5: true),
                Authorizer = new InboundAuthorizer(_log.Loggers.CreateLogger("rbac"), false),
                InboundOptions = new InboundOptions(),
                Log = log,
                Metrics = new TcpMetrics(registry, _log.Loggers),
                OnDemandNames = new OnDemandDns(registry, ipv6: false, TimeProvider.System),
                NameRules = rules,
                Dns = dns ? new DnsProxy(store, rules, new DnsMetrics(registry), _log.Loggers.CreateLogger("dns"), TimeProvider.System) : null,
                Resolver = new ResolverConfig([.. nameServers], []),
                Loggers = _log.Loggers,
                Budgets = new NodeBudgets(new ZtunnelOptions(), _log.Loggers.CreateLogger("Connections"), TimeProvider.System),
                SkippedWaypoints = new Lazy<Counter>(() => registry.Add(new CounterFamily("skipped", "Not asked here.")).Series(MetricLabels.None)),
                Deadline = default,
                Time = TimeProvider.System,
            };
        }

        public Asked Demand { get; }

        public INodeCapture Create(OtherNetwork pod) =>
            new PodEngines(_parts).Create(LocalWorkload.ByName(_parts.Mesh, "app", "client", "client", null, TimeProvider.System), _parts.NewSockets(pod.Namespace));

        public ValueTask DisposeAsync() => _svids.DisposeAsync();
    }

    /// <summary>A control plane that knows one service, and tells it to whoever asks.</summary>
    private sealed class Asked(MeshStore store) : IMeshDemand
    {
        private readonly ConcurrentQueue<string> _asked = new();

        public bool IsOpen => true;

        public IEnumerable<string> Names => _asked;

        public ValueTask<DemandAnswer> AskAsync(string name, TimeSpan patience, CancellationToken cancellationToken)
        {
            _asked.Enqueue(name);
            Learn();
            return ValueTask.FromResult(DemandAnswer.Known);
        }

        public void Learn() => store.Publish(new MeshSnapshotBuilder(store.Current)
            .Set(new MeshService
            {
                Name = "server", Namespace = "app", Hostname = "server.app.svc.cluster.local", Vips = [new NetworkAddress("", s_vip)], Ports = [new ServicePort(80, 8080)],
            })
            .Set(new Workload
            {
                Uid = "server", Name = "server", Namespace = "app", ServiceAccount = "server", Addresses = [s_server],
                Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add("app/server.app.svc.cluster.local", [new ServicePort(80, 8080)]),
            })
            .Build());
    }
}
