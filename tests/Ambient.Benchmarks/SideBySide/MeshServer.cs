using System.Diagnostics;
using System.Globalization;
using System.Net;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Workloads;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// An istiod with a large mesh, as a child process inside a namespace: serves xDS over TLS, and sends updates when it is told to on its
/// standard input. <c>update N</c>: one response with N changed workloads, answered with the microseconds until it was acknowledged.
/// <c>stream R S</c>: R single changes a second for S seconds, answered with how many were acknowledged.
/// </summary>
internal static class MeshServer
{
    internal const string Verb = "mesh-server";

    private const string Client = "10.77.0.2";
    private const string Server = "10.77.0.3";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The child process.</summary>
    internal static async Task<int> ServeAsync(int port, string folder, int workloads, int services)
    {
        var resources = Enumerable.Range(0, workloads).Select(i => Resource(Pod(i, services, revision: 0))).ToList();
        resources.AddRange(Enumerable.Range(0, services).Select(i => Resource(new Address { Service = ServiceAt(i) })));
        resources.Add(Resource(new Address { Workload = Named("client", Client) }));
        resources.Add(Resource(new Address { Workload = Named("server", Server) }));
        var mesh = new DeltaDiscoveryResponse { TypeUrl = XdsTypes.Address, Nonce = "all", Resources = { resources } };
        var acknowledged = new Acknowledgements();
        var script = new DiscoveryScript
        {
            Initial = request => request.TypeUrl == XdsTypes.Address ? mesh : DiscoveryScript.Empty(request.TypeUrl),
            Received = acknowledged.Note,
        };
        await using var server = await ControlPlaneServer.StartAsync(port: port, discovery: script, folder: folder, address: IPAddress.Loopback);
        Console.WriteLine(HeldChild.Holding);
        var revision = 0;
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var words = line.Split(' ');
            var first = int.Parse(words[1], CultureInfo.InvariantCulture);
            if (words[0] == "update")
            {
                revision++;
                var update = Update(Enumerable.Range(0, first), services, revision);
                var begun = Stopwatch.GetTimestamp();
                var done = acknowledged.WaitAsync(update.Nonce);
                script.Push(update);
                Console.WriteLine(((long)(await done.WaitAsync(Patience) - begun) * 1_000_000 / Stopwatch.Frequency).ToString(CultureInfo.InvariantCulture));
            }
            else
            {
                Console.WriteLine(await StreamAsync(script, acknowledged, services, first, int.Parse(words[2], CultureInfo.InvariantCulture)));
            }
        }

        return 0;
    }

    private static async Task<int> StreamAsync(DiscoveryScript script, Acknowledgements acknowledged, int services, int rate, int seconds)
    {
        var waiting = new List<Task<long>>();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / rate);
        for (var i = 0; i < rate * seconds; i++)
        {
            await timer.WaitForNextTickAsync();
            var update = Update([i], services, 1_000_000 + i);
            waiting.Add(acknowledged.WaitAsync(update.Nonce));
            script.Push(update);
        }

        await Task.WhenAll(waiting).WaitAsync(Patience);
        return waiting.Count;
    }

    private static DeltaDiscoveryResponse Update(IEnumerable<int> which, int services, int revision) => new()
    {
        TypeUrl = XdsTypes.Address,
        Nonce = Guid.NewGuid().ToString(),
        Resources = { which.Select(i => Resource(Pod(i, services, revision))) },
    };

    private static Address Pod(int i, int services, int revision) => new()
    {
        Workload = new Workload
        {
            Uid = $"Kubernetes//Pod/ns-{i % 200}/app-{i}", Name = $"app-{i}", Namespace = $"ns-{i % 200}", ServiceAccount = $"sa-{i % 50}", Node = $"node-{i % 1000}",
            TunnelProtocol = TunnelProtocol.Hbone, ClusterId = "Kubernetes", CanonicalName = $"app-{i % services}", CanonicalRevision = $"v{revision}",
            WorkloadName = $"app-{i % services}", WorkloadType = WorkloadType.Deployment,
            Addresses = { ByteString.CopyFrom([10, (byte)(128 + (i >> 16)), (byte)(i >> 8), (byte)i]) },
            Services = { [KeyOf(i % services)] = new PortList { Ports = { new Port { ServicePort = 80, TargetPort = 8080 } } } },
        },
    };

    private static Service ServiceAt(int i) => new()
    {
        Name = $"svc-{i}", Namespace = $"ns-{i % 200}", Hostname = HostOf(i), Ports = { new Port { ServicePort = 80, TargetPort = 8080 } },
        Addresses = { new NetworkAddress { Address = ByteString.CopyFrom([10, 96, (byte)(i >> 8), (byte)i]) } },
    };

    private static Workload Named(string name, string address) => new()
    {
        Uid = $"Kubernetes//Pod/bench/{name}", Name = name, Namespace = "bench", ServiceAccount = name, Node = "local", TunnelProtocol = TunnelProtocol.Hbone,
        ClusterId = "Kubernetes", CanonicalName = name, CanonicalRevision = "latest", WorkloadName = name, Addresses = { ByteString.CopyFrom(IPAddress.Parse(address).GetAddressBytes()) },
    };

    private static string HostOf(int service) => $"svc-{service}.ns-{service % 200}.svc.cluster.local";

    internal static string KeyOf(int service) => $"ns-{service % 200}/{HostOf(service)}";

    private static Resource Resource(Address address) => new()
    {
        Name = address.Workload?.Uid ?? $"{address.Service.Namespace}/{address.Service.Hostname}",
        Resource_ = new Any { TypeUrl = XdsTypes.Address, Value = address.ToByteString() },
    };
}
