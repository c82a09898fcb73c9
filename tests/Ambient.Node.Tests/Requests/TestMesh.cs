using System.Collections.Immutable;
using System.Net;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Membership;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Testing.Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// A mesh on loopback addresses that no other test has: pods, services, and a waypoint or gateway in front of them, with real
/// sockets and certificates.
/// </summary>
internal sealed class TestMesh : IAsyncDisposable
{
    private static readonly SemaphoreSlim s_computedAddress = new(1, 1);
    private static int s_meshes = Random.Shared.Next(250 * 250);

    private readonly string _prefix;
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly Shutdown _shutdown;
    private readonly MemoryStream _log = new();
    private readonly LogWriter _writer;
    private readonly SvidCache _svids;
    private RequestConfiguration _requests = RequestConfiguration.Empty;
    private readonly List<Task> _running = [];
    private int _address;
    private bool _hasComputedAddress;

    public TestMesh()
    {
        var number = Interlocked.Increment(ref s_meshes) % (250 * 250);
        _prefix = $"127.{(number / 250) + 3}.{(number % 250) + 2}.";
        Authority = new TestAuthority();
        _svids = new SvidCache(Authority);
        _writer = new LogWriter(_log);
        Loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.TryParse("info", out var filter, out _) ? filter : throw new InvalidOperationException(), TimeProvider.System);
        _shutdown = new Shutdown(TimeSpan.FromSeconds(20), TimeProvider.System, NullLogger.Instance);
    }

    public TestAuthority Authority { get; }

    public SvidCache Svids => _svids;

    public MeshStore Store { get; } = new();

    public HostLoggerFactory Loggers { get; }

    public MetricRegistry Metrics { get; } = new();

    public Shutdown Shutdown => _shutdown;

    /// <summary>Stages of an embedder's own.</summary>
    public List<Ambient.Node.Requests.MeshRequestFilter> Filters { get; } = [];

    /// <summary>Certificates of TLS listeners.</summary>
    public List<Ambient.Node.Gateway.Tls.GatewayCertificate> Certificates { get; } = [];

    /// <summary>Finds addresses of names; null: the machine does.</summary>
    public Func<string, System.Net.Sockets.AddressFamily, Task<IPAddress[]>>? ResolveNames { get; set; }

    /// <summary>Connections from one address that a node admits; null: its default.</summary>
    public int? MaxConnectionsPerPeer { get; set; }

    /// <summary>The node's clock.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>How long a request may stand still; null: the node's default.</summary>
    public TimeSpan? StreamIdleTimeout { get; set; }

    /// <summary>What questions to external authorizers may hold; null: the node's default.</summary>
    public Ambient.Node.Requests.ExternalAuthorization.CheckLimits? AuthorizerLimits { get; set; }

    /// <summary>The waypoint or gateway started last, ready or not.</summary>
    public WaypointNode? Node { get; private set; }

    /// <summary>Everything logged so far.</summary>
    public string Log
    {
        get
        {
            _writer.Flush();
            lock (_log)
            {
                return System.Text.Encoding.UTF8.GetString(_log.ToArray());
            }
        }
    }

    /// <summary>Waits until the log says something: a request is accounted for after its answer left.</summary>
    public async Task LoggedAsync(string text)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!Log.Contains(text, StringComparison.Ordinal))
        {
            if (deadline.IsCancellationRequested)
            {
                throw new Xunit.Sdk.XunitException($"not logged: {text}\n{Log}");
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }

    /// <summary>A scrape.</summary>
    public string Scrape
    {
        get
        {
            var text = Utf8TextBuilder.Rent();
            Metrics.Write(text);
            var scrape = System.Text.Encoding.UTF8.GetString(text.Written);
            text.Return();
            return scrape;
        }
    }

    public static SpiffeId Id(string serviceAccount, string ns = "app") => SpiffeId.ForServiceAccount("cluster.local", ns, serviceAccount);

    /// <summary>An address that nobody has.</summary>
    public IPAddress NewAddress() => IPAddress.Parse(_prefix + ++_address);

    /// <summary>Adds a workload without starting anything.</summary>
    public Workload AddWorkload(string name, string serviceAccount, TunnelProtocol protocol = TunnelProtocol.Hbone, params string[] services)
    {
        var workload = new Workload
        {
            Uid = $"Kubernetes//Pod/app/{name}",
            Name = name,
            Namespace = "app",
            ServiceAccount = serviceAccount,
            Addresses = [NewAddress()],
            Protocol = protocol,
            WorkloadName = name.Contains('-', StringComparison.Ordinal) ? name[..name.LastIndexOf('-')] : name,
            CanonicalName = serviceAccount,
            CanonicalRevision = "v1",
            Services = services.ToImmutableDictionary(service => $"app/{service}.app.svc.cluster.local", _ => ImmutableArray<ServicePort>.Empty),
        };
        Publish(builder => builder.Set(workload));
        return workload;
    }

    /// <summary>Adds a workload and runs it.</summary>
    public async Task<TestPod> AddPodAsync(
        string name, string serviceAccount, string service, TunnelProtocol protocol = TunnelProtocol.Hbone, Action<WebApplication>? map = null, Action<IServiceCollection>? services = null)
    {
        var pod = await TestPod.StartAsync(AddWorkload(name, serviceAccount, protocol, service), _svids, map, services);
        _owned.Add(pod);
        return pod;
    }

    /// <summary>Adds a service with an HTTP port 80, an HTTP/2 port 90, an opaque port 81 and an undeclared port 82.</summary>
    public MeshService AddService(string name, string? waypoint = "waypoint")
    {
        var service = new MeshService
        {
            Name = name,
            Namespace = "app",
            Hostname = $"{name}.app.svc.cluster.local",
            Vips = [new NetworkAddress("", NewAddress())],
            Ports =
            [
                new ServicePort(80, 8080, AppProtocol.Http11), new ServicePort(90, 9000, AppProtocol.Http2),
                new ServicePort(81, 8080, AppProtocol.Tcp), new ServicePort(82, 8080, AppProtocol.Unknown), new ServicePort(92, 9000, AppProtocol.Unknown),
                new ServicePort(15008, 15008, AppProtocol.Tcp),
            ],
            Waypoint = waypoint is null ? null : GatewayAddress.ByHostname("app", $"{waypoint}.app.svc.cluster.local"),
        };
        Publish(builder => builder.Set(service));
        return service;
    }

    /// <summary>Changes what waypoints and gateways read.</summary>
    public void Configure(Func<RequestConfiguration, RequestConfiguration> change)
    {
        _requests = change(_requests);
        Publish(builder => builder.Set(_requests));
    }

    /// <summary>Sets a route of a service.</summary>
    public void SetRoute(string service, params (string Backend, int Weight)[] backends) => Configure(requests => requests with
    {
        HttpRoutes = requests.HttpRoutes.SetItem(
            $"app/{service}",
            new HttpRoute
            {
                Name = service,
                Namespace = "app",
                ParentRefs = [new ObjectReference("", "Service", "app", service)],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch()],
                        Action = new ForwardAction { Backends = [.. backends.Select(backend => new TrafficBackend(new ObjectReference("", "Service", "app", backend.Backend, Port: 80), backend.Weight))] },
                    },
                ],
            }),
    });

    /// <summary>Sends what comes to the gateway <c>gw</c> to the service <c>web</c>, with its request headers edited or as they are.</summary>
    public void SetGatewayRoute(HeaderModification? edits = null, int port = 80) => Configure(requests => requests with
    {
        HttpRoutes = requests.HttpRoutes.SetItem("app/route", new HttpRoute
        {
            Name = "route",
            Namespace = "app",
            ParentRefs = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
            Rules =
            [
                new TrafficRule
                {
                    Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Prefix, "/") }],
                    Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "web", Port: port), 1)] },
                    RequestHeaders = edits,
                },
            ],
        }),
    });

    /// <summary>Lets only given principals and methods through to a service.</summary>
    public void SetPolicy(string name, string service, string[] principals, string[] methods) => Configure(requests => requests with
    {
        AuthorizationPolicies = requests.AuthorizationPolicies.SetItem(
            $"app/{name}",
            new RequestAuthorizationPolicy
            {
                Name = name,
                Namespace = "app",
                Action = PolicyAction.Allow,
                Targets = [new ObjectReference("", "Service", "app", service)],
                Rules =
                [
                    new RequestRule
                    {
                        From = principals.Length == 0 ? [] : [new RequestSource { Principals = new ValueMatch([.. principals], []) }],
                        To = methods.Length == 0 ? [] : [new RequestOperation { Methods = new ValueMatch([.. methods], []) }],
                    },
                ],
            }),
    });

    /// <summary>Adds the Gateway <c>app/waypoint</c> with its workload, and runs it.</summary>
    public async Task<WaypointNode> StartWaypointAsync()
    {
        AddService("waypoint", waypoint: null);
        AddWorkload("waypoint-0", "waypoint", TunnelProtocol.Hbone, "waypoint");
        Configure(requests => requests with
        {
            Gateways = requests.Gateways.SetItem("app/waypoint", new Mesh.Gateway
            {
                Name = "waypoint",
                Namespace = "app",
                ClassName = "istio-waypoint",
                Listeners = [new GatewayListener("mesh", 15008, "HBONE", null, AllowedNamespaces.Same, null)],
            }),
        });
        return await StartNodeAsync("waypoint");
    }

    /// <summary>Adds the Gateway <c>app/gw</c> with given listener ports, and runs it.</summary>
    public async Task<WaypointNode> StartGatewayAsync(params GatewayListener[] listeners)
    {
        AddWorkload("gw-istio-0", "gw-istio", TunnelProtocol.Tcp);
        SetGateway(listeners);
        return await StartNodeAsync("gw");
    }

    /// <summary>Runs the Gateway <c>app/gw</c> of a folder of manifests, which is watched; returns when it is ready.</summary>
    public Task<WaypointNode> StartGatewayFromAsync(string folder, bool untilReady = true) => StartNodeAsync("gw", folder, untilReady);

    /// <summary>Runs the waypoint <c>app/waypoint</c> of a folder of manifests, which is watched; returns when it is ready.</summary>
    public async Task<WaypointNode> StartWaypointFromAsync(string folder, string name = "waypoint")
    {
        // Without an annotation its address is computed from its name, the same in every folder: one at a time has it.
        if (name == "waypoint" && !_hasComputedAddress)
        {
            await s_computedAddress.WaitAsync();
            _hasComputedAddress = true;
        }

        return await StartNodeAsync(name, folder);
    }

    /// <summary>Ends something with the mesh.</summary>
    public void Own(IAsyncDisposable other) => _owned.Add(other);

    /// <summary>Runs the Gateway of a mesh that another source fills; returns when it is ready.</summary>
    public Task<WaypointNode> StartToldAsync(string gateway) => StartNodeAsync(gateway);

    /// <summary>Runs the waypoint or gateway of a source, which is started and not disposed here; returns when it is ready.</summary>
    public Task<WaypointNode> StartFromAsync(string gateway, string pod, Func<MeshStore, IMeshSource> source, bool untilReady = true) => StartNodeAsync(gateway, null, untilReady, source, pod);

    /// <summary>Replaces the listeners of <c>app/gw</c>.</summary>
    public void SetGateway(params GatewayListener[] listeners) => Configure(requests => requests with
    {
        Gateways = requests.Gateways.SetItem("app/gw", new Mesh.Gateway { Name = "gw", Namespace = "app", ClassName = "istio", Listeners = [.. listeners] }),
    });

    /// <summary>A client that sends HTTP through the waypoint as a ztunnel would: a tunnel for the service's address.</summary>
    public HttpClient ThroughWaypoint(SpiffeId identity, MeshService service, int port = 80, Workload? source = null, string waypoint = "waypoint") =>
        Through(Store.Current.Workloads[$"Kubernetes//Pod/app/{waypoint}-0"], identity, service, port, source);

    /// <summary>The same through the waypoint that a workload is.</summary>
    public HttpClient Through(Workload own, SpiffeId identity, MeshService service, int port = 80, Workload? source = null)
    {
        var client = new HboneClient(new HboneClientOptions { Connector = new From(source?.Addresses[0]) }, _svids);
        _owned.Add(client);
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            ConnectCallback = HboneDialer.Create(client, (_, _) => new ValueTask<HboneConnectRequest?>(new HboneConnectRequest
            {
                NextHop = new IPEndPoint(own.Addresses[0], 15008),
                Authority = $"{service.Vips[0].Address}:{port}",
                Source = identity,
                AcceptedIdentities = [own.Identity],
            })),
        };
        return new HttpClient(handler) { BaseAddress = new Uri($"http://{service.Name}:{port}"), Timeout = TimeSpan.FromSeconds(60) };
    }

    public async ValueTask DisposeAsync()
    {
        _shutdown.Begin("the test is over");
        _shutdown.Force();
        try
        {
            await Task.WhenAll(_running);
        }
        finally
        {
            if (_hasComputedAddress)
            {
                s_computedAddress.Release();
                _hasComputedAddress = false;
            }
        }

        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        await _svids.DisposeAsync();
        _shutdown.Dispose();
        _writer.Dispose();
    }

    /// <summary>Publishes a changed mesh.</summary>
    public void Publish(Action<MeshSnapshotBuilder> change)
    {
        lock (Store)
        {
            var builder = new MeshSnapshotBuilder(Store.Current);
            change(builder);
            Store.Publish(builder.Build());
        }
    }

    private async Task<WaypointNode> StartNodeAsync(string gateway, string? folder = null, bool untilReady = true, Func<MeshStore, IMeshSource>? source = null, string? pod = null)
    {
        var runtime = await MeshRuntime.OpenAsync(
            new MeshRuntimeOptions
            {
                Discovery = new DiscoveryOptions { ManifestsFolder = folder },
                Authority = new AuthorityOptions(),
                Source = source ?? (folder is null ? static _ => new Published() : null),
                OwnSvids = _svids,
            },
            Store, Loggers, Metrics, TimeProvider.System, CancellationToken.None);
        _owned.Add(runtime);
        if (folder is not null || source is not null)
        {
            await runtime.StartAsync(CancellationToken.None);
        }

        var options = new WaypointOptions { Host = new NodeOptions(), GatewayName = gateway, Namespace = "app", PodName = pod };
        options.StreamIdleTimeout = StreamIdleTimeout ?? options.StreamIdleTimeout;
        options.MaxConnectionsPerPeer = MaxConnectionsPerPeer ?? options.MaxConnectionsPerPeer;
        options.AuthorizerLimits = AuthorizerLimits ?? options.AuthorizerLimits;
        options.Filters.AddRange(Filters);
        options.ResolveNames = ResolveNames;
        Certificates.ForEach(options.Certificates.Add);
        var node = new WaypointNode(
            options, runtime, Loggers, Metrics, Time);
        _owned.Add(node);
        Node = node;
        var running = node.RunAsync(_shutdown);
        _running.Add(running);
        while (untilReady && node.Readiness.Pending().Length > 0)
        {
            if (running.IsCompleted)
            {
                await running;
                throw new InvalidOperationException("the node ended before it was ready");
            }

            await Task.Delay(10);
        }

        return node;
    }

    /// <summary>Connects from an address, whatever it is told; null: from any.</summary>
    internal sealed class From(IPAddress? address) : ISocketConnector
    {
        public ValueTask<System.Net.Sockets.Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            SocketConnector.Default.ConnectAsync(destination, address, cancellationToken);
    }

    /// <summary>The test publishes the mesh itself.</summary>
    private sealed class Published : IMeshSource
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
