using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Weights, health, priorities and localities hold in the cluster that says them, as Envoy acts on them, and in no other.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class AssignedEndpointTests : IAsyncLifetime
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly ServedProxy _proxy = new();
    private readonly Dictionary<string, IPAddress> _addresses = [];

    public async Task InitializeAsync()
    {
        foreach (var name in new[] { "a", "b", "c" })
        {
            _addresses[name] = await _proxy.AddEndpointAsync(name);
        }

        _proxy.Session.Tell(EnvoyTypes.Cluster, ClusterOf(Web), ClusterOf(Shop));
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, ("a", 1)), Endpoints(Shop, ("a", 1)));
        _proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((_proxy.VipOf(Web).ToString(), 80, EnvoyKit.Chain(Web, 80)), (_proxy.VipOf(Shop).ToString(), 80, EnvoyKit.Chain(Shop, 80))));
        await _proxy.StartAsync();
    }

    public async Task DisposeAsync() => await _proxy.DisposeAsync();

    [Fact]
    public async Task Weight_OfOneCluster_ReachesNoOther()
    {
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, ("a", 3), ("b", 1)), Endpoints(Shop, ("a", 1), ("b", 1)));

        Assert.Equal([("a", 30), ("b", 10)], Sorted(await _proxy.AskAsync(40, Web)));
        Assert.Equal([("a", 20), ("b", 20)], Sorted(await _proxy.AskAsync(40, Shop)));
    }

    [Fact]
    public async Task Unhealthiness_InOneCluster_ReachesNoOther()
    {
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, assignment => Of(assignment, "a").HealthStatus = HealthStatus.Unhealthy, ("a", 1), ("b", 1)), Endpoints(Shop, ("a", 1), ("b", 1)));

        Assert.Equal([("b", 10)], Sorted(await _proxy.AskAsync(10, Web)));
        Assert.Equal([("a", 5), ("b", 5)], Sorted(await _proxy.AskAsync(10, Shop)));

        // One that drains is as good as gone, and nobody is left then.
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Shop, assignment => Of(assignment, "a").HealthStatus = HealthStatus.Draining, ("a", 1)));
        Assert.Equal([("503", 1)], Sorted(await _proxy.AskAsync(1, Shop)));
    }

    [Fact]
    public async Task Subset_HasWeightsOfItsOwn()
    {
        var subset = ClusterOf(Web, cluster => cluster.Name = cluster.EdsClusterConfig.ServiceName = $"inbound-vip|80|http/v1|{Web}");
        var endpoints = Endpoints(Web, ("a", 1), ("b", 3));
        var assignment = ClusterLoadAssignment.Parser.ParseFrom(endpoints.Resource_.Value);
        assignment.ClusterName = endpoints.Name = $"inbound-vip|80|http/v1|{Web}";
        endpoints.Resource_.Value = assignment.ToByteString();
        var route = EnvoyKit.To(Web, 80, "v1");
        route.Route_.Cluster = assignment.ClusterName;
        _proxy.Session.Tell(EnvoyTypes.Cluster, subset);
        _proxy.Session.Tell(EnvoyTypes.Assignment, endpoints, Endpoints(Web, ("a", 3), ("b", 1)));
        Assert.Equal([("a", 30), ("b", 10)], Sorted(await _proxy.AskAsync(40, Web)));

        _proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((_proxy.VipOf(Web).ToString(), 80, EnvoyKit.Chain(Web, 80, [], route))));
        Assert.Equal([("a", 10), ("b", 30)], Sorted(await _proxy.AskAsync(40, Web)));
    }

    [Fact]
    public async Task LaterPriority_TakesWhatTheFirstCannotBear_ByTheFactorOfOverprovisioning()
    {
        void Later(ClusterLoadAssignment assignment)
        {
            Of(assignment, "a").HealthStatus = HealthStatus.Unhealthy;
            Locality(assignment, "c").Priority = 1;
        }

        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, Later, ("a", 1), ("b", 1), ("c", 1)), Endpoints(Shop, ("a", 1), ("b", 1), ("c", 1)));

        // Half of the first priority bears 70 per cent.
        var answers = await _proxy.AskAsync(300, Web);
        Assert.Equal(["b", "c"], answers.Keys.Order());
        Assert.InRange(answers["c"], 50, 130);
        Assert.Equal([("a", 10), ("b", 10), ("c", 10)], Sorted(await _proxy.AskAsync(30, Shop)));

        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, assignment =>
        {
            Later(assignment);
            assignment.Policy = new() { OverprovisioningFactor = 200 };
        }, ("a", 1), ("b", 1), ("c", 1)));
        Assert.Equal([("b", 50)], Sorted(await _proxy.AskAsync(50, Web)));
    }

    [Theory]
    [InlineData(null, "a b c")]
    [InlineData(50.0, "a b c")]
    [InlineData(30.0, "c")]
    [InlineData(0.0, "c")]
    public async Task Panic_AsksEverybody_BelowTheThresholdOfTheCluster(double? threshold, string asked)
    {
        _proxy.Session.Tell(EnvoyTypes.Cluster, ClusterOf(Web, cluster => cluster.CommonLbConfig = threshold is { } percent ? new() { HealthyPanicThreshold = new() { Value = percent } } : null));
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, assignment => Of(assignment, "a").HealthStatus = Of(assignment, "b").HealthStatus = HealthStatus.Unhealthy, ("a", 1), ("b", 1), ("c", 1)));

        Assert.Equal(asked, string.Join(' ', (await _proxy.AskAsync(30, Web)).Keys.Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Localities_HaveShares_WhereTheClusterSaysSo(bool byLocality)
    {
        _proxy.Session.Tell(EnvoyTypes.Cluster, ClusterOf(Web, cluster =>
        {
            if (byLocality)
            {
                cluster.CommonLbConfig.LocalityWeightedLbConfig = ByteString.Empty;
            }
        }));
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, assignment =>
        {
            Locality(assignment, "a").LoadBalancingWeight = 1;
            Locality(assignment, "b").LoadBalancingWeight = 3;
        }, ("a", 1), ("b", 1)));

        var answers = await _proxy.AskAsync(200, Web);
        Assert.InRange(answers["b"], byLocality ? 125 : 100, byLocality ? 175 : 100);
    }

    [Fact]
    public async Task LocalityThatIsHalfGone_HasSoMuchLessOfItsShare()
    {
        _proxy.Session.Tell(EnvoyTypes.Cluster, ClusterOf(Web, cluster => cluster.CommonLbConfig.LocalityWeightedLbConfig = ByteString.Empty));
        _proxy.Session.Tell(EnvoyTypes.Assignment, Endpoints(Web, assignment =>
        {
            // a and b together, one of them unhealthy: 70 per cent of one half.
            var together = Locality(assignment, "a");
            together.LbEndpoints.Add(Of(assignment, "b"));
            assignment.Endpoints.Remove(Locality(assignment, "b", last: true));
            together.LbEndpoints[1].HealthStatus = HealthStatus.Unhealthy;
            together.LoadBalancingWeight = Locality(assignment, "c").LoadBalancingWeight = 1;
        }, ("a", 1), ("b", 1), ("c", 1)));

        var answers = await _proxy.AskAsync(400, Web);
        Assert.Equal(["a", "c"], answers.Keys.Order());
        Assert.InRange(answers["a"], 125, 202);
    }

    [Fact]
    public async Task ClusterThatCountsMore_DecidesWhoIsThere()
    {
        // The opaque connections of the port have endpoints of their own: they get no requests.
        var tcp = ClusterOf(Web, cluster => cluster.Name = cluster.EdsClusterConfig.ServiceName = $"inbound-vip|80|tcp|{Web}");
        var endpoints = Endpoints(Web, ("b", 1));
        var assignment = ClusterLoadAssignment.Parser.ParseFrom(endpoints.Resource_.Value);
        assignment.ClusterName = endpoints.Name = $"inbound-vip|80|tcp|{Web}";
        endpoints.Resource_.Value = assignment.ToByteString();
        _proxy.Session.Tell(EnvoyTypes.Cluster, tcp);
        _proxy.Session.Tell(EnvoyTypes.Assignment, endpoints);

        Assert.Equal([("a", 6)], Sorted(await _proxy.AskAsync(6, Web)));
    }

    private static IEnumerable<(string, int)> Sorted(Dictionary<string, int> answers) => answers.OrderBy(answer => answer.Key, StringComparer.Ordinal).Select(answer => (answer.Key, answer.Value));

    private static Resource ClusterOf(string host, Action<Cluster>? more = null) => EnvoyKit.Cluster(host, 80, host[..host.IndexOf('.', StringComparison.Ordinal)], cluster =>
    {
        cluster.LbPolicy = Cluster.Types.LbPolicy.RoundRobin;
        cluster.CommonLbConfig = new() { HealthyPanicThreshold = new() };
        more?.Invoke(cluster);
    });

    private Resource Endpoints(string host, params (string Name, uint Weight)[] endpoints) => Endpoints(host, static _ => { }, endpoints);

    /// <summary>Endpoints, each in a locality of its own.</summary>
    private Resource Endpoints(string host, Action<ClusterLoadAssignment> more, params (string Name, uint Weight)[] endpoints)
    {
        var assignment = new ClusterLoadAssignment { ClusterName = EnvoyKit.Own(host, 80) };
        foreach (var (name, weight) in endpoints)
        {
            assignment.Endpoints.Add(new LocalityLbEndpoints
            {
                Locality = new() { Region = name },
                LbEndpoints =
                {
                    new LbEndpoint
                    {
                        HealthStatus = HealthStatus.Healthy,
                        LoadBalancingWeight = weight,
                        Endpoint = new() { Address = new() { SocketAddress = new() { Address = _addresses[name].ToString(), PortValue = 8080 } } },
                    },
                },
            });
        }

        more(assignment);
        return XdsKit.Of(assignment.ClusterName, EnvoyTypes.Assignment, assignment, "");
    }

    private static LocalityLbEndpoints Locality(ClusterLoadAssignment assignment, string name, bool last = false) =>
        last ? assignment.Endpoints.Last(locality => locality.Locality.Region == name) : assignment.Endpoints.First(locality => locality.Locality.Region == name);

    private LbEndpoint Of(ClusterLoadAssignment assignment, string name) => assignment.Endpoints.SelectMany(locality => locality.LbEndpoints)
        .First(endpoint => endpoint.Endpoint.Address.SocketAddress.Address == _addresses[name].ToString());
}
