using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>
/// What istiod tells a waypoint of a thousand services with an HTTP port and fifty thousand pods behind them, made from two recordings of it: a policy on
/// methods and hosts before each service, HBONE to each pod. The first service has one endpoint, which is there.
/// </summary>
internal sealed class LargeConfiguration
{
    internal const int Ports = 1000;
    internal const int Endpoints = 50_000;

    /// <summary>A host name that the recorded policy lets in.</summary>
    internal const string AllowedHost = "one.example";

    /// <summary>Address and port of the first service.</summary>
    internal const string FirstService = "10.9.0.0:8080";

    private const string Policies = "http/authz-methods-hosts";
    private const string Captured = "xds/captured-and-not";
    private const string Recorded = "a.app.svc.cluster.local";
    private const string RecordedCluster = $"inbound-vip|8080|http|{Recorded}";
    private const string OriginalDestination = "envoy.filters.listener.original_dst";
    private const int ChainField = 3;
    private const int Forms = 7;

    private readonly LbEndpoint _captured;
    private readonly LbEndpoint _plain;
    private readonly WireWorkload _workload;
    private readonly string _real;

    /// <summary>Makes it.</summary>
    /// <param name="real">Address of the first service's endpoint.</param>
    /// <param name="port">Its port.</param>
    /// <param name="waypoint">Address of the waypoint.</param>
    /// <exception cref="InvalidOperationException">The recordings are not there.</exception>
    internal LargeConfiguration(string real, int port, string waypoint)
    {
        _real = real;
        var captured = Assignment(Read(Captured, "eds"));
        _captured = captured.Endpoints[0].LbEndpoints[0];
        _plain = Assignment(Read(Policies, "eds")).Endpoints[0].LbEndpoints[0];
        _workload = Workload(Read(Captured, "wds"), "a-0");
        Clusters = Replaced(Read(Policies, "cds"), resource => Enumerable.Range(0, Ports).Select(i => ClusterOf(resource, i)));
        Assignments = AssignmentsIn(port, null);
        Listeners = Read(Policies, "lds");
        var main = Listeners.Resources.Single(resource => resource.Name == EnvoyListener.Main);
        main.Resource_.Value = MainListener(main.Resource_.Value).ToByteString();
        var own = Workload(Read(Policies, "wds"), "waypoint-0");
        own.Addresses.Clear();
        own.Addresses.Add(Bytes(waypoint));
        Workloads = new DeltaDiscoveryResponse { TypeUrl = EnvoyTypes.Workload, Resources = { Of(own.Uid, EnvoyTypes.Workload, own) } };
        Workloads.Resources.Add(Enumerable.Range(1, Ports - 1).SelectMany(service => Enumerable.Range(0, CountOf(service)).Select(pod => WorkloadOf(service, pod))));
        Others = [.. Enumerable.Range(0, Forms).Select(seed => OtherForm(port, new Random(seed)))];
    }

    internal DeltaDiscoveryResponse Clusters { get; }

    internal DeltaDiscoveryResponse Assignments { get; }

    internal DeltaDiscoveryResponse Listeners { get; }

    internal DeltaDiscoveryResponse Workloads { get; }

    /// <summary>What istiod repeats for most changes, in its order.</summary>
    internal DeltaDiscoveryResponse[] All => [Clusters, Assignments, Listeners];

    /// <summary>
    /// The same in other bytes, in several forms: half of all clusters and chains in another order of fields, half of all endpoints in another order of the entries of maps,
    /// drawn anew for each form, as istiod draws with each push. There are more forms than the waypoint remembers of a resource.
    /// </summary>
    internal DeltaDiscoveryResponse[][] Others { get; }

    /// <summary>The endpoints of the first service, at another port.</summary>
    internal DeltaDiscoveryResponse First(int port) => new() { TypeUrl = EnvoyTypes.Assignment, Resources = { EndpointsOf(0, port, null) } };

    // The first has one, which is there; the rest is shared out among the others.
    private static int CountOf(int service) => service == 0 ? 1 : ((Endpoints - 1) / (Ports - 1)) + (service <= (Endpoints - 1) % (Ports - 1) ? 1 : 0);

    private static string HostOf(int service) => $"s{service}.app.svc.cluster.local";

    private static string ClusterName(int service) => RecordedCluster.Replace(Recorded, HostOf(service), StringComparison.Ordinal);

    private static string Vip(int service) => $"10.9.{service / 250}.{service % 250}";

    private static string Pod(int service, int pod) => $"10.{100 + (service / 250)}.{service % 250}.{pod + 1}";

    private static Resource ClusterOf(Resource recorded, int service)
    {
        var cluster = Cluster.Parser.ParseFrom(WireText.Replace(recorded.Resource_.Value.Span, Recorded, HostOf(service)));
        cluster.Metadata.FilterMetadata["istio"].Fields["services"].ListValue.Values[0].StructValue.Fields["name"] = Value.ForString($"s{service}");
        return Of(cluster.Name, EnvoyTypes.Cluster, cluster);
    }

    private Resource EndpointsOf(int service, int port, Random? random)
    {
        var locality = new LocalityLbEndpoints { Locality = new(), LoadBalancingWeight = (uint)CountOf(service) };
        for (var pod = 0; pod < CountOf(service); pod++)
        {
            locality.LbEndpoints.Add(service == 0 ? Real(port) : ByTunnel(service, pod, reversed: random?.Next(2) == 1));
        }

        var name = ClusterName(service);
        return Of(name, EnvoyTypes.Assignment, new ClusterLoadAssignment { ClusterName = name, Endpoints = { locality } });
    }

    private LbEndpoint Real(int port)
    {
        var endpoint = _plain.Clone();
        endpoint.Endpoint.Address.SocketAddress.Address = _real;
        endpoint.Endpoint.Address.SocketAddress.PortValue = (uint)port;
        return endpoint;
    }

    private LbEndpoint ByTunnel(int service, int pod, bool reversed)
    {
        var endpoint = _captured.Clone();
        var target = $"{Pod(service, pod)}:8080";
        endpoint.Endpoint.Address.EnvoyInternalAddress.EndpointId = target;
        var local = new Struct { Fields = { ["local"] = Value.ForString(target) } };
        var istio = new Struct { Fields = { ["workload"] = Value.ForString($"s{service}-{pod};app;s{service};v1;Kubernetes") } };

        // Entries of a map are written in the order in which they were added.
        endpoint.Metadata = new Metadata();
        foreach (var (key, value) in reversed ? [("istio", istio), (OriginalDestination, local)] : ((string, Struct)[])[(OriginalDestination, local), ("istio", istio)])
        {
            endpoint.Metadata.FilterMetadata[key] = value;
        }

        return endpoint;
    }

    private Resource WorkloadOf(int service, int pod)
    {
        var workload = _workload.Clone();
        workload.Name = workload.WorkloadName = $"s{service}-{pod}";
        workload.Uid = $"Kubernetes//Pod/app/{workload.Name}";
        workload.ServiceAccount = workload.CanonicalName = $"s{service}";
        var ports = workload.Services.Values.Single();
        workload.Services.Clear();
        workload.Services[$"app/{HostOf(service)}"] = ports;
        workload.Addresses.Clear();
        workload.Addresses.Add(Bytes(Pod(service, pod)));
        return Of(workload.Uid, EnvoyTypes.Workload, workload);
    }

    /// <summary>The listener that finds services, with a chain for each of ours, and one way to it.</summary>
    private static Listener MainListener(ByteString recorded)
    {
        var main = Listener.Parser.ParseFrom(recorded);
        var chain = main.FilterChains.Single(chain => FilterChain.Parser.ParseFrom(chain).Name == RecordedCluster);
        var own = main.FilterChains.Where(chain => !chain.ToStringUtf8().Contains(".app.svc.cluster.local", StringComparison.Ordinal)).ToArray();
        main.FilterChains.Clear();
        main.FilterChains.Add(own);
        main.FilterChains.Add(Enumerable.Range(0, Ports).Select(i => ByteString.CopyFrom(WireText.Replace(chain.Span, Recorded, HostOf(i)))));
        var match = main.FilterChainMatcher.MatcherTree.CustomMatch.TypedConfig;
        var ranges = IPMatcher.Parser.ParseFrom(match.Value);
        var range = ranges.RangeMatchers.Single(range => range.ToByteString().ToStringUtf8().Contains($"|8080|http|{Recorded}", StringComparison.Ordinal));
        var ports = range.OnMatch.Matcher.MatcherTree.ExactMatchMap.Map;
        foreach (var port in ports.Keys.Where(static port => port != "8080").ToArray())
        {
            ports.Remove(port);
        }

        ranges.RangeMatchers.Clear();
        for (var i = 0; i < Ports; i++)
        {
            var other = IPMatcher.Types.IPRangeMatcher.Parser.ParseFrom(WireText.Replace(range.ToByteArray(), Recorded, HostOf(i)));
            other.Ranges.Clear();
            other.Ranges.Add(new AddressRange { AddressPrefix = Vip(i), PrefixLen = 32 });
            ranges.RangeMatchers.Add(other);
        }

        match.Value = ranges.ToByteString();
        return main;
    }

    private DeltaDiscoveryResponse AssignmentsIn(int port, Random? random) =>
        new() { TypeUrl = EnvoyTypes.Assignment, Resources = { Enumerable.Range(0, Ports).Select(i => EndpointsOf(i, port, random)) } };

    private DeltaDiscoveryResponse[] OtherForm(int port, Random random)
    {
        return [Other(Clusters, Drawn), AssignmentsIn(port, random), Other(Listeners, listener => WireText.Map(listener, ChainField, chain => Drawn(chain)))];

        byte[] Drawn(ReadOnlySpan<byte> message) => random.Next(2) == 0 ? message.ToArray() : WireText.Reordered(message);
    }

    private static DeltaDiscoveryResponse Other(DeltaDiscoveryResponse response, Rewrite rewrite) => new()
    {
        TypeUrl = response.TypeUrl,
        Resources =
        {
            response.Resources.Select(resource => new Resource
            {
                Name = resource.Name,
                Resource_ = new Any { TypeUrl = resource.Resource_.TypeUrl, Value = ByteString.CopyFrom(rewrite(resource.Resource_.Value.Span)) },
            }),
        },
    };

    /// <summary>A recorded response with what a function makes of the recorded service's resource in place of all services' own.</summary>
    private static DeltaDiscoveryResponse Replaced(DeltaDiscoveryResponse recorded, Func<Resource, IEnumerable<Resource>> make)
    {
        var made = make(recorded.Resources.Single(static resource => resource.Name == RecordedCluster)).ToArray();
        var others = recorded.Resources.Where(static resource => !resource.Name.StartsWith("inbound-vip|", StringComparison.Ordinal)).ToArray();
        return new DeltaDiscoveryResponse { TypeUrl = recorded.TypeUrl, Resources = { others.Concat(made) } };
    }

    private static ClusterLoadAssignment Assignment(DeltaDiscoveryResponse response) =>
        ClusterLoadAssignment.Parser.ParseFrom(response.Resources.Single(static resource => resource.Name == RecordedCluster).Resource_.Value);

    private static WireWorkload Workload(DeltaDiscoveryResponse response, string name) =>
        response.Resources.Select(static resource => WireWorkload.Parser.ParseFrom(resource.Resource_.Value)).Single(workload => workload.Name == name);

    private static DeltaDiscoveryResponse Read(string recording, string type)
    {
        var root = GoldenFolder.Root ?? throw new InvalidOperationException("the recordings are not beside this repository; AMBIENT_GOLDEN may name their folder");
        return DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(root, recording, "xds", "waypoint", $"{type}.binpb")));
    }

    private static Resource Of(string name, string type, IMessage message) => new() { Name = name, Resource_ = new Any { TypeUrl = type, Value = message.ToByteString() } };

    private static ByteString Bytes(string address) => ByteString.CopyFrom(IPAddress.Parse(address).GetAddressBytes());

    private delegate byte[] Rewrite(ReadOnlySpan<byte> message);
}
