using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Workloads;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Membership;

/// <summary>
/// A waypoint and members that have their mesh from a control plane over xDS, and their certificates from its authority or from a SPIFFE
/// Workload API: requests over real mutual TLS.
/// </summary>
public sealed class IstiodMembershipTests : IAsyncLifetime, IDisposable
{
    private static int s_blocks;

    private readonly TestAuthority _root = new();
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly MemoryStream _log = new();
    private readonly int _block = Interlocked.Increment(ref s_blocks);
    private readonly LogWriter _writer;
    private readonly HostLoggerFactory _loggers;
    private readonly CertificateSigner _signer;
    private ControlPlaneServer _istiod = null!;

    public IstiodMembershipTests()
    {
        _writer = new LogWriter(_log);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        _signer = new CertificateSigner(_root);
    }

    public async Task InitializeAsync()
    {
        _istiod = await ControlPlaneServer.StartAsync();
        _istiod.Certificates.Answer = _signer.Answer;
    }

    public async Task DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        await _istiod.DisposeAsync();
    }

    public void Dispose()
    {
        _loggers.Dispose();
        _writer.Dispose();
        _log.Dispose();
    }

    [Fact]
    public async Task WaypointOverXds_WithItsHttpConfigurationFromAFolder_ForwardsAndEnforcesByIdentity()
    {
        Tell(Pod("inner-1", 2, "inner"), Backend("web-1", 3), Web());
        var manifests = Directory.CreateDirectory(Path.Combine(_istiod.Folder, "manifests")).FullName;
        await File.WriteAllTextAsync(Path.Combine(manifests, "http.yaml"), """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: inner, namespace: ns}
            spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: viewers, namespace: ns}
            spec:
              targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: inner}]
              rules: [{from: [{source: {principals: [cluster.local/ns/ns/sa/friend]}}], to: [{operation: {methods: [GET]}}]}]

            """);
        await StartBackendAsync();
        var (waypoint, running) = await StartWaypointAsync(manifests);
        await UntilReadyAsync(waypoint, running);

        Assert.StartsWith("HTTP/1.1 200", await CallAsync("friend"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 403", await CallAsync("stranger"), StringComparison.Ordinal);
        Assert.Contains(SpiffeId.ForServiceAccount("cluster.local", "ns", "inner"), _signer.Signed);

        // For itself, and in nobody's name.
        Assert.All(_istiod.Certificates.Requests, asked => Assert.Null(asked.Request.Metadata));
        var subscribed = await _istiod.Discovery.WaitAsync(static request => request.Node is not null);
        Assert.StartsWith("waypoint~", subscribed.Node.Id, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WaypointOverXdsAlone_IsNotReady_Answers503_AndSaysWhy()
    {
        Tell(Pod("inner-1", 2, "inner"), Backend("web-1", 3), Web());
        await StartBackendAsync();
        var (waypoint, _) = await StartWaypointAsync(manifests: null);

        var refused = await RefusalAsync("friend");

        Assert.Equal(503, refused.StatusCode);
        using var client = new HttpClient();
        using var ready = await client.GetAsync(new Uri($"http://127.0.0.1:{waypoint.ReadinessEndPoint!.Port}/healthz/ready"));
        Assert.False(ready.IsSuccessStatusCode);
        Assert.Contains("http configuration", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("no source provides its HTTP configuration", Log(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WaypointOverXdsAlone_DoesWhatIstiodTellsAnEnvoy_AndGoesOnWithoutIstiod()
    {
        const string Web = "web.ns.svc.cluster.local";
        var friends = EnvoyKit.Rules(Protos.Envoy.RuleSet.Types.Action.Allow, ("ns[ns]-policy[viewers]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest));
        _istiod.Discovery.Session = _ => request => request.TypeUrl switch
        {
            EnvoyTypes.Cluster => XdsKit.Response(request.TypeUrl, EnvoyKit.Cluster(Web, 80, "web")),
            EnvoyTypes.Assignment => XdsKit.Response(request.TypeUrl, EnvoyKit.Endpoints(Web, 80, ($"{At(3)}", 8080))),
            EnvoyTypes.Listener => XdsKit.Response(request.TypeUrl, EnvoyKit.Tunnels(), EnvoyKit.Services(($"{At(200)}", 80, EnvoyKit.Chain(Web, 80, [friends])))),
            EnvoyTypes.Workload => XdsKit.Response(request.TypeUrl, EnvoyKit.Workload("inner-1", $"{At(2)}", "inner"), EnvoyKit.Workload("web-1", $"{At(3)}")),
            _ => DiscoveryScript.Empty(request.TypeUrl),
        };
        await StartBackendAsync();
        var (waypoint, running) = await StartWaypointAsync(manifests: null, asksForRequests: true);
        await UntilReadyAsync(waypoint, running);

        Assert.StartsWith("HTTP/1.1 200", await CallAsync("friend"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 403", await CallAsync("stranger"), StringComparison.Ordinal);

        // Without istiod everything stays as it was told, and it is asked again for as long as it takes.
        _istiod.Discovery.Opening = () => throw new Grpc.Core.RpcException(new Grpc.Core.Status(Grpc.Core.StatusCode.Unavailable, "not yet"));
        _istiod.Discovery.EndStreams(Grpc.Core.StatusCode.Unavailable);
        await UntilAsync(() => _istiod.Discovery.Opened > 2);
        Assert.StartsWith("HTTP/1.1 200", await CallAsync("friend"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 403", await CallAsync("stranger"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MemberOverXds_WithIstiodsAuthority_ServesAndCallsWithItsIdentity()
    {
        Tell(Pod("shop-1", 2, "shop", native: true), Shop());
        await using var shop = await StartMemberAsync(mesh => mesh.WithIstioAuthority(ca => (ca.Address, ca.Roots) = (_istiod.Address.Authority, _istiod.RootFile)));

        Assert.Equal("hello spiffe://cluster.local/ns/ns/sa/shop", await HelloAsync(shop));
        Assert.Contains(SpiffeId.ForServiceAccount("cluster.local", "ns", "shop"), _signer.Signed);
    }

    [Fact]
    public async Task MemberOverXds_WithAWorkloadApi_ServesAndCallsWithWhatTheAgentGives()
    {
        var id = SpiffeId.ForServiceAccount("cluster.local", "ns", "shop");
        await using var agent = await WorkloadApiServer.StartAsync(Path.Combine(_istiod.Folder, "agent.sock"), _root.Issue(id));
        Tell(Pod("shop-1", 2, "shop", native: true), Shop());
        await using var shop = await StartMemberAsync(mesh => mesh.WithWorkloadApi(agent.Address));

        Assert.Equal("hello spiffe://cluster.local/ns/ns/sa/shop", await HelloAsync(shop));
        Assert.Empty(_signer.Signed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WaypointThatRefusesAConnection_SaysWhoWasRefused_AndWhatAdmitsMore(bool configured)
    {
        var manifests = Directory.CreateDirectory(Path.Combine(_istiod.Folder, "manifests")).FullName;
        await File.WriteAllTextAsync(Path.Combine(manifests, "inner.yaml"), """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: inner, namespace: ns}
            spec:
              gatewayClassName: istio-waypoint
              listeners: [{name: mesh, port: 15008, protocol: HBONE}]

            """);
        Tell(Pod("inner-1", 2, "inner"), Backend("web-1", 3), Web());
        var (waypoint, running) = await StartWaypointAsync(configured ? manifests : null, perPeer: 2);
        if (configured)
        {
            await UntilReadyAsync(waypoint, running);
        }

        using var calls = new Calls(new IPEndPoint(At(2), 15008));
        await calls.OpenAsync(3);

        await UntilAsync(() => Log().Contains("refused:", StringComparison.Ordinal));
        Assert.Contains(
            $"HBONE connections are refused: {calls.Source} has 2 connections open, the limit for one address (refused since the last such line: 1, since the start: 1). "
            + "To admit more, raise AMBIENT_MAX_CONNECTIONS_PER_PEER\n",
            Log(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task MemberThatRefusesAConnection_SaysWhoWasRefused_AndWhatAdmitsMore()
    {
        Tell(Pod("shop-1", 2, "shop", native: true), Shop());
        await using var shop = await StartMemberAsync(
            mesh => mesh.WithIstioAuthority(ca => (ca.Address, ca.Roots) = (_istiod.Address.Authority, _istiod.RootFile)),
            builder =>
            {
                builder.Configuration["Ambient:MaxConnections"] = "2";
                builder.Services.AddSingleton<ILoggerFactory>(_loggers);
            });

        using var calls = new Calls(new IPEndPoint(At(2), 15008));
        await calls.OpenAsync(3);

        await UntilAsync(() => Log().Contains("refused:", StringComparison.Ordinal));
        Assert.Contains(
            $"HBONE connections are refused: 2 connections are open, the limit in all; {calls.Source} was refused (refused since the last such line: 1, since the start: 1). "
            + "To admit more, raise Ambient:MaxConnections\n",
            Log(),
            StringComparison.Ordinal);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 600, "it did not come to be");
            await Task.Delay(50);
        }
    }

    private static async Task<string> HelloAsync(WebApplication member)
    {
        using var client = member.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        return await client.GetStringAsync(new Uri("http://shop:80/hello"));
    }

    private async Task<WebApplication> StartMemberAsync(Action<Ambient.Node.Membership.IAmbientMeshBuilder> authority, Action<WebApplicationBuilder>? more = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Ambient:Namespace"] = "ns";
        builder.Configuration["Ambient:Pod"] = "shop-1";
        var mesh = builder.AddAmbientMesh().FromIstiod(istiod => (istiod.Address, istiod.Roots) = (_istiod.Address.Authority, _istiod.RootFile));
        authority(mesh);
        more?.Invoke(builder);
        var app = builder.Build();
        app.MapGet("/hello", (HttpContext http) => $"hello {http.User.Identity?.Name}");
        await app.StartAsync();
        return app;
    }

    private async Task<(WaypointHost Waypoint, Task Running)> StartWaypointAsync(string? manifests, int perPeer = 1_024, bool asksForRequests = false)
    {
        for (var tries = 0; ; tries++)
        {
            var shutdown = new Shutdown(TimeSpan.FromSeconds(2), TimeProvider.System, NullLogger.Instance);
            try
            {
                var options = new WaypointOptions
                {
                    GatewayName = "inner",
                    Namespace = "ns",
                    PodName = "inner-1",
                    AsksForRequests = asksForRequests,
                    MaxConnectionsPerPeer = perPeer,
                    Host = new NodeOptions
                    {
                        Manifests = manifests,
                        PortOffset = PortOffsets.Next(),
                        IPv6Enabled = false,
                        Xds = new XdsOptions
                        {
                            Kind = XdsNodeKind.Waypoint, Server = Server("xDS"), PodName = "inner-1", PodNamespace = "ns", ServiceAccount = "inner",
                            InstanceIP = $"{At(2)}",
                        },
                        CertificateAuthority = Server("CA"),
                    },
                };
                var waypoint = await WaypointHost.StartAsync(options, _loggers, shutdown, TimeProvider.System, CancellationToken.None);
                _owned.Add(waypoint);
                return (waypoint, waypoint.RunUntilDrainedAsync());
            }
            catch (IOException) when (tries < 20)
            {
                shutdown.Dispose();
            }
        }
    }

    private ControlPlaneOptions Server(string name) => new() { Name = name, Address = _istiod.Address, Roots = _istiod.RootFile };

    private async Task UntilReadyAsync(WaypointHost waypoint, Task running)
    {
        using var client = new HttpClient();
        for (var tries = 0; ; tries++)
        {
            using var ready = await client.GetAsync(new Uri($"http://127.0.0.1:{waypoint.ReadinessEndPoint!.Port}/healthz/ready"));
            if (ready.IsSuccessStatusCode)
            {
                return;
            }

            Assert.False(running.IsCompleted, Log());
            Assert.True(tries < 600, $"{await ready.Content.ReadAsStringAsync()}\n{Log()}");
            await Task.Delay(50);
        }
    }

    private async Task StartBackendAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(At(3), 8080));
        var app = builder.Build();
        app.MapGet("/", () => "web");
        await app.StartAsync();
        _owned.Add(app);
    }

    /// <summary>The whole answer to a GET that is sent through the waypoint.</summary>
    private async Task<string> CallAsync(string serviceAccount)
    {
        await using var svids = new SvidCache(_root);
        await using var client = new HboneClient(new HboneClientOptions(), svids);
        await using var tunnel = await client.ConnectAsync(Request(serviceAccount));
        await using var stream = tunnel.AsStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream);
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)) ?? "";
    }

    private async Task<HboneException> RefusalAsync(string serviceAccount)
    {
        await using var svids = new SvidCache(_root);
        await using var client = new HboneClient(new HboneClientOptions(), svids);
        for (var tries = 0; ; tries++)
        {
            var refused = await Assert.ThrowsAsync<HboneException>(async () => await client.ConnectAsync(Request(serviceAccount)));
            if (refused.StatusCode is not null and not 0 || tries == 200)
            {
                return refused;
            }

            // Nobody listens yet.
            await Task.Delay(50);
        }
    }

    private HboneConnectRequest Request(string serviceAccount) => new()
    {
        NextHop = new IPEndPoint(At(2), 15008),
        Authority = $"{At(200)}:80",
        Source = SpiffeId.ForServiceAccount("cluster.local", "ns", serviceAccount),
        AcceptedIdentities = [SpiffeId.ForServiceAccount("cluster.local", "ns", "inner")],
    };

    private void Tell(params Resource[] addresses) => _istiod.Discovery.Initial = request =>
        request.TypeUrl == "type.googleapis.com/istio.workload.Address" ? XdsKit.Response(request.TypeUrl, addresses) : DiscoveryScript.Empty(request.TypeUrl);

    private IPAddress At(byte last) => new([127, 101, (byte)_block, last]);

    private Resource Pod(string name, byte last, string serviceAccount, bool native = false) => XdsKit.Workload(name, At(last).ToString(), pod =>
    {
        pod.ServiceAccount = serviceAccount;
        pod.TunnelProtocol = TunnelProtocol.Hbone;
        pod.NativeTunnel = native;
        if (native)
        {
            pod.Services["ns/shop.ns.svc.cluster.local"] = new PortList { Ports = { new Port { ServicePort = 80, TargetPort = 8080 } } };
        }
    });

    private Resource Backend(string name, byte last) => XdsKit.Workload(name, At(last).ToString(), pod =>
    {
        pod.ServiceAccount = "web";
        pod.Services["ns/web.ns.svc.cluster.local"] = new PortList { Ports = { new Port { ServicePort = 80, TargetPort = 8080 } } };
    });

    private Resource Web() => XdsKit.Service("web", service =>
    {
        service.Addresses.Add(new NetworkAddress { Address = ByteString.CopyFrom(At(200).GetAddressBytes()) });
        service.Ports.Add(new Port { ServicePort = 80, TargetPort = 8080 });
        service.Waypoint = new GatewayAddress
        {
            Address = new NetworkAddress { Address = ByteString.CopyFrom(At(2).GetAddressBytes()) }, HboneMtlsPort = 15008,
        };
    });

    private Resource Shop() => XdsKit.Service("shop", service =>
    {
        service.Addresses.Add(new NetworkAddress { Address = ByteString.CopyFrom(At(201).GetAddressBytes()) });
        service.Ports.Add(new Port { ServicePort = 80, TargetPort = 8080 });
    });

    private string Log()
    {
        _writer.Flush();
        lock (_log)
        {
            return Encoding.UTF8.GetString(_log.ToArray());
        }
    }

    /// <summary>Connections that say nothing.</summary>
    private sealed class Calls(IPEndPoint server) : IDisposable
    {
        private readonly List<Socket> _open = [];

        public IPAddress Source => ((IPEndPoint)_open[0].LocalEndPoint!).Address;

        public async Task OpenAsync(int count)
        {
            for (var tries = 0; _open.Count < count; tries++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    await socket.ConnectAsync(server);
                    _open.Add(socket);
                }
                catch (SocketException) when (tries < 600)
                {
                    // Nobody listens yet.
                    socket.Dispose();
                    await Task.Delay(50);
                }
            }
        }

        public void Dispose() => _open.ForEach(static socket => socket.Dispose());
    }
}
