using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>A waypoint, or gateway, that serves by an Envoy configuration which the test writes, with endpoints that say who they are: every connection is real.</summary>
internal sealed class ServedProxy : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _endpoints = [];
    private readonly ConcurrentDictionary<string, IPAddress> _vips = new(StringComparer.Ordinal);

    public ServedProxy(bool isGateway = false)
    {
        Address = Mesh.NewAddress();
        (IsGateway, Session) = (isGateway, new EnvoySession(Mesh.Store, new EnvoyNode(isGateway, "app", isGateway ? "gw" : "waypoint", Address), NullLogger.Instance));
        if (!isGateway)
        {
            Session.Tell(EnvoyTypes.Listener, EnvoyKit.Tunnels());
        }
    }

    public bool IsGateway { get; }

    public TestMesh Mesh { get; } = new();

    public IPAddress Address { get; }

    public EnvoySession Session { get; }

    /// <summary>Addresses of names, as the resolver has them.</summary>
    public ConcurrentDictionary<string, IPAddress> Names { get; } = new(StringComparer.Ordinal);

    /// <summary>The address that a service of the test's has.</summary>
    public IPAddress VipOf(string host) => _vips.GetOrAdd(host, _ => Mesh.NewAddress());

    /// <summary>Runs it, once it was told what it is to serve.</summary>
    public async Task StartAsync()
    {
        var name = IsGateway ? "gw-istio-0" : "waypoint-0";
        Session.Tell(EnvoyTypes.Workload, XdsKit.Of($"Kubernetes//Pod/app/{name}", EnvoyTypes.Workload, new Protos.Workloads.Workload
        {
            Uid = $"Kubernetes//Pod/app/{name}",
            Name = name,
            Namespace = "app",
            ServiceAccount = IsGateway ? "gw-istio" : "waypoint",
            WorkloadName = IsGateway ? "gw-istio" : "waypoint",
            Addresses = { XdsKit.Bytes(Address.ToString()) },
        }));
        Mesh.ResolveNames = (asked, _) => Names.TryGetValue(asked, out var address) ? Task.FromResult<IPAddress[]>([address]) : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
        await Mesh.StartToldAsync(IsGateway ? "gw" : "waypoint");
    }

    /// <summary>Adds an endpoint that answers requests with its name.</summary>
    public async Task<IPAddress> AddEndpointAsync(string name, int port = 8080)
    {
        var address = Mesh.NewAddress();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(address, port));
        var app = builder.Build();
        app.Run(http => http.Response.WriteAsync(name));
        await app.StartAsync();
        _endpoints.Add(app);
        return address;
    }

    /// <summary>Adds an endpoint that greets whoever connects with its name, and sends back what it gets.</summary>
    public IPAddress AddEcho(string name, int port = 8080)
    {
        var address = Mesh.NewAddress();
        _endpoints.Add(new Echo(new IPEndPoint(address, port), name));
        return address;
    }

    /// <summary>The name of the endpoint that answers a request to a service, or the status where none does.</summary>
    public async Task<string> AskAsync(string host, int port = 80, IPAddress? address = null, string? named = null)
    {
        using var client = Mesh.ThroughWaypoint(TestMesh.Id("sleep"), new MeshService { Name = "any", Namespace = "app", Hostname = host, Vips = [new NetworkAddress("", address ?? VipOf(host))] }, port);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("Host", named ?? host);
        using var response = await client.SendAsync(request);
        return response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync() : $"{(int)response.StatusCode}";
    }

    /// <summary>How many of so many requests each endpoint answers.</summary>
    public async Task<Dictionary<string, int>> AskAsync(int times, string host)
    {
        var answers = new Dictionary<string, int>(StringComparer.Ordinal);
        using var client = Mesh.ThroughWaypoint(TestMesh.Id("sleep"), new MeshService { Name = "any", Namespace = "app", Hostname = host, Vips = [new NetworkAddress("", VipOf(host))] });
        for (var i = 0; i < times; i++)
        {
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            var answer = response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync() : $"{(int)response.StatusCode}";
            answers[answer] = answers.GetValueOrDefault(answer) + 1;
        }

        return answers;
    }

    /// <summary>Opens a tunnel for a service as a ztunnel does.</summary>
    public async Task<Stream> TunnelAsync(string host, int port, IPAddress? address = null)
    {
        var client = new HboneClient(new HboneClientOptions(), Mesh.Svids);
        _endpoints.Add(client);
        var waypoint = Mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        var tunnel = await client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(Address, 15008),
            Authority = $"{address ?? VipOf(host)}:{port}",
            Source = TestMesh.Id("sleep"),
            AcceptedIdentities = [waypoint.Identity],
        });
        return tunnel.AsStream();
    }

    /// <summary>The greeting of the endpoint of an opaque connection; empty: it is closed without one.</summary>
    public async Task<string> GreetingAsync(string host, int port)
    {
        try
        {
            await using var stream = await TunnelAsync(host, port);
            var buffer = new byte[64];
            var count = await stream.ReadAsync(buffer).AsTask().WaitAsync(XdsKit.Patience);
            return Encoding.ASCII.GetString(buffer, 0, count).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or HboneException)
        {
            return "";
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        for (var i = _endpoints.Count - 1; i >= 0; i--)
        {
            await _endpoints[i].DisposeAsync();
        }
    }

    private sealed class Echo : IAsyncDisposable
    {
        private readonly TcpListener _listener;
        private readonly string _name;
        private readonly Task _accepting;

        public Echo(IPEndPoint at, string name)
        {
            (_listener, _name) = (new TcpListener(at), name);
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
        }

        private async Task AcceptAsync()
        {
            while (true)
            {
                try
                {
                    _ = ServeAsync(await _listener.AcceptTcpClientAsync());
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(_name + "\n"));
                    await client.GetStream().CopyToAsync(client.GetStream());
                }
                catch (IOException)
                {
                    // The other side has gone.
                }
            }
        }
    }
}
