using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Workloads;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Two whole ztunnels that know of the mesh what their own pods and connections need, asked of an istiod over TLS.</summary>
public sealed class OnDemandZtunnelTests : IAsyncLifetime, IDisposable
{
    private readonly AddressBook _book = new();
    private readonly byte[] _block = [127, (byte)Random.Shared.Next(20, 250), (byte)Random.Shared.Next(256), 0];
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-demand-").FullName;
    private readonly MemoryStream _log = new();
    private readonly LogWriter _writer;
    private readonly HostLoggerFactory _loggers;
    private readonly List<(ZtunnelHost Ztunnel, Shutdown Shutdown)> _nodes = [];
    private readonly List<EchoServer> _echoes = [];
    private ControlPlaneServer _server = null!;

    public OnDemandZtunnelTests()
    {
        _writer = new LogWriter(_log);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
    }

    public async Task InitializeAsync()
    {
        _server = await ControlPlaneServer.StartAsync();
        _book.Serve(_server.Discovery);
        _book.Set(Pod("client", "node-a", 2));
        _book.Set(Pod("server", "node-b", 3, "server"));
        for (byte i = 50; i < 150; i++)
        {
            _book.Set(Pod($"bystander-{i}", "node-c", i));
        }

        _book.Set(Service("server", 200));
        var guarded = Service("guarded", 201);
        guarded.Waypoint = new GatewayAddress { HboneMtlsPort = 15008, Hostname = new NamespacedHostname { Namespace = "ns", Hostname = "waypoint.ns.svc.cluster.local" } };
        _book.Set(guarded);
        await AddNodeAsync("node-a");
        await AddNodeAsync("node-b");
        _echoes.Add(new EchoServer(new IPEndPoint(At(3), 8080)));
        _echoes.Add(new EchoServer(new IPEndPoint(At(9), 8080)));
    }

    [Fact]
    public async Task Connection_LearnsItsDestination_AndTheOtherSideItsSource()
    {
        Assert.Equal(["client"], Names(0));
        Assert.Equal(["server"], Names(1));

        using (var socket = await ConnectAsync(At(200), 80))
        {
            Assert.Equal("hello", await LoopbackMesh.EchoAsync(socket, "hello"));
        }

        // Nobody else was asked for: the bystanders are no connection's business.
        Assert.Equal(["client", "server"], Names(0));
        Assert.Equal(["client", "server"], Names(1));
        await LoopbackMesh.Until(() => Log().Any(line => line.Contains("inbound", StringComparison.Ordinal)), "the access log of both sides");
        var inbound = Log().Single(line => line.Contains("direction=\"inbound\"", StringComparison.Ordinal));
        Assert.Contains("src.workload=\"client\"", inbound, StringComparison.Ordinal);
        Assert.Contains("src.identity=\"spiffe://cluster.local/ns/ns/sa/client\"", inbound, StringComparison.Ordinal);
        Assert.Contains("dst.service=\"server.ns.svc.cluster.local\"", inbound, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatNobodyKnows_IsPassedThrough_OnceTheControlPlaneSaidSo()
    {
        using var socket = await ConnectAsync(At(9), 8080);

        Assert.Equal("hello", await LoopbackMesh.EchoAsync(socket, "hello"));
        Assert.Contains($"/{At(9)}", _book.Asked);
    }

    [Fact]
    public async Task Waypoint_IsAskedForByName_AndNobodyGoesPastIt()
    {
        using var socket = await ConnectAsync(At(201), 80);

        Assert.True(await LoopbackMesh.EndsAsync(socket));
        Assert.Contains("ns/waypoint.ns.svc.cluster.local", _book.Asked);
        await LoopbackMesh.Until(() => Log().Any(line => line.Contains("unknown waypoint: waypoint ns/waypoint.ns.svc.cluster.local", StringComparison.Ordinal)), "the refusal");
    }

    [Fact]
    public async Task SilentControlPlane_RefusesWhatIsUnknown_AndServesWhatIsKnown()
    {
        using (var before = await ConnectAsync(At(200), 80))
        {
            Assert.Equal("hello", await LoopbackMesh.EchoAsync(before, "hello"));
        }

        _book.Answers = false;
        using var unknown = await ConnectAsync(At(9), 8080);
        using var known = await ConnectAsync(At(200), 80);
        Assert.Equal("hello", await LoopbackMesh.EchoAsync(known, "hello"));
        Assert.True(await LoopbackMesh.EndsAsync(unknown));
        await LoopbackMesh.Until(() => Log().Any(line => line.Contains($"the control plane did not say within 5 s what {At(9)}:8080 is (XDS_ON_DEMAND)", StringComparison.Ordinal)), "the refusal");
    }

    [Fact]
    public async Task Explain_AsksAsAConnectionWould()
    {
        using var http = new HttpClient();
        var text = await http.GetStringAsync(new Uri($"http://127.0.0.1:{_nodes[0].Ztunnel.AdminEndPoint!.Port}/explain?src=ns/client&dst={At(200)}:80"));

        Assert.Contains("is service ns/server.ns.svc.cluster.local", text, StringComparison.Ordinal);
        Assert.Equal(["client", "server"], Names(0));
    }

    public async Task DisposeAsync()
    {
        foreach (var echo in _echoes)
        {
            await echo.DisposeAsync();
        }

        foreach (var (ztunnel, shutdown) in _nodes)
        {
            await ztunnel.DisposeAsync();
            shutdown.Dispose();
        }

        await _server.DisposeAsync();
    }

    public void Dispose()
    {
        _loggers.Dispose();
        _writer.Dispose();
        _log.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string[] Names(int node) => [.. _nodes[node].Ztunnel.Mesh.Workloads.Values.Select(workload => workload.Name).Order()];

    private IPAddress At(byte last) => new([_block[0], _block[1], _block[2], last]);

    private Workload Pod(string name, string node, byte last, string? service = null)
    {
        var pod = new Workload
        {
            Uid = $"cluster1//Pod/ns/{name}", Name = name, Namespace = "ns", ServiceAccount = name, Node = node, TunnelProtocol = TunnelProtocol.Hbone,
            Addresses = { ByteString.CopyFrom(At(last).GetAddressBytes()) },
        };
        if (service is not null)
        {
            pod.Services[$"ns/{service}.ns.svc.cluster.local"] = new PortList { Ports = { new Port { ServicePort = 80, TargetPort = 8080 } } };
        }

        return pod;
    }

    private Service Service(string name, byte vip) => new()
    {
        Name = name, Namespace = "ns", Hostname = $"{name}.ns.svc.cluster.local",
        Addresses = { new NetworkAddress { Address = ByteString.CopyFrom(At(vip).GetAddressBytes()) } },
        Ports = { new Port { ServicePort = 80, TargetPort = 8080 } },
    };

    private async Task AddNodeAsync(string name)
    {
        for (var tries = 0; ; tries++)
        {
            var shutdown = new Shutdown(TimeSpan.FromSeconds(5), TimeProvider.System, NullLogger.Instance);
            try
            {
                var options = new ZtunnelOptions
                {
                    Mode = ZtunnelMode.Loopback,
                    Host = new NodeOptions
                    {
                        AuthorityFolder = Path.Combine(_folder, "ca"),
                        NodeName = name,
                        PortOffset = PortOffsets.Next(),
                        IPv6Enabled = false,
                        Xds = new XdsOptions
                        {
                            Server = new ControlPlaneOptions { Name = "xDS", Address = _server.Address, Roots = _server.RootFile },
                            NodeName = name,
                            OnDemand = true,
                        },
                    },
                };
                _nodes.Add((await ZtunnelHost.StartAsync(options, _loggers, shutdown, TimeProvider.System, CancellationToken.None), shutdown));

                // Its own pods come unasked, a moment after the policies that it waits for.
                await LoopbackMesh.Until(() => Names(_nodes.Count - 1).Length == 1, "the node's own pods");
                return;
            }
            catch (IOException) when (tries < 20)
            {
                shutdown.Dispose();
            }
        }
    }

    private async Task<Socket> ConnectAsync(IPAddress address, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        for (var tries = 0; ; tries++)
        {
            try
            {
                await socket.ConnectAsync(new IPEndPoint(At(2), 15080));
                break;
            }
            catch (SocketException) when (tries < 600)
            {
                await Task.Delay(50);
            }
        }

        await socket.SendAsync(new byte[] { 5, 1, 0 });
        Assert.Equal([5, 0], await LoopbackMesh.ReadAsync(socket, 2));
        await socket.SendAsync((byte[])[5, 1, 0, 1, .. address.GetAddressBytes(), (byte)(port >> 8), (byte)port]);
        Assert.Equal(0, (await LoopbackMesh.ReadAsync(socket, 10))[1]);
        return socket;
    }

    private string[] Log()
    {
        _writer.Flush();
        lock (_log)
        {
            return Encoding.UTF8.GetString(_log.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }
}
