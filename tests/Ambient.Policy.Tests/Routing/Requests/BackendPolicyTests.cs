using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Requests;

/// <summary>Which DestinationRule counts for a client, and what of it for a port and a subset.</summary>
public sealed class BackendPolicyTests
{
    private static readonly MeshService s_service = Service("a", "10.0.0.1", (80, 8080), (81, 8081));
    private static readonly Workload s_client = Pod("client", "mine", "10.1.0.9");

    [Fact]
    public void NoRule_IsTheDefault_AndNoSubsetIsKnown()
    {
        Assert.Same(BackendPolicy.Default, Policy([]));
        Assert.True(Policy([], subset: "v1").IsSubsetUnknown);
    }

    [Fact]
    public void Namespaces_OfTheClient_TheService_AndTheRoot_InThisOrder()
    {
        var root = Rule("root", "istio-system", "a.ns.svc.cluster.local");
        var theirs = Rule("theirs", "ns", "*.svc.cluster.local");
        var mine = Rule("mine", "mine", "*");
        var other = Rule("other", "elsewhere", "a.ns.svc.cluster.local");
        Assert.Equal("mine/mine", Policy([root, theirs, mine, other]).Rule);
        Assert.Equal("ns/theirs", Policy([root, theirs, other]).Rule);
        Assert.Equal("istio-system/root", Policy([root, other]).Rule);
        Assert.Null(Policy([other]).Rule);
    }

    [Fact]
    public void Host_TheMostSpecificOfANamespace() => Assert.Equal(
        "ns/whole",
        Policy([Rule("all", "ns", "*"), Rule("wide", "ns", "*.cluster.local"), Rule("whole", "ns", "a.ns.svc.cluster.local"), Rule("near", "ns", "*.ns.svc.cluster.local")]).Rule);

    [Fact]
    public void Host_TheLongestWildcard() => Assert.Equal(
        "ns/near", Policy([Rule("all", "ns", "*"), Rule("near", "ns", "*.ns.svc.cluster.local"), Rule("wide", "ns", "*.cluster.local"), Rule("no", "ns", "*.other.example")]).Rule);

    [Theory]
    [InlineData("*", true)]
    [InlineData("mine", true)]
    [InlineData("ns", false)]
    [InlineData("elsewhere", false)]
    public void ExportTo_IsHonoured(string exportTo, bool counts) =>
        Assert.Equal(counts ? "ns/a" : null, Policy([Rule("a", "ns", "a.ns.svc.cluster.local") with { ExportTo = [exportTo] }]).Rule);

    [Fact]
    public void WorkloadSelector_OfTheOwnNamespace_GoesFirst()
    {
        var everybody = Rule("a", "mine", "a.ns.svc.cluster.local");
        var selecting = Rule("b", "mine", "a.ns.svc.cluster.local") with { WorkloadSelector = Labels(("app", "client")) };
        Assert.Equal("mine/a", Policy([everybody, selecting]).Rule);
        Assert.Equal("mine/b", Policy([everybody, selecting], labels: ("app", "client")).Rule);
        Assert.Equal("mine/a", Policy([everybody, selecting], labels: ("app", "other")).Rule);
        Assert.Null(Policy([selecting with { Namespace = "ns" }], labels: ("app", "client")).Rule);
    }

    [Fact]
    public void OneHost_InTwoRules_HasTheSubsetsOfBoth_AndThePolicyOfTheOlder()
    {
        var older = Rule("z", "ns", "a.ns.svc.cluster.local") with { Policy = With(BalancerAlgorithm.Random), Subsets = [new DestinationSubset("v1") { Labels = Labels(("version", "1")) }] };
        var newer = Rule("a", "ns", "a.ns.svc.cluster.local") with
        {
            CreationTime = DateTimeOffset.UnixEpoch.AddDays(1),
            Policy = With(BalancerAlgorithm.RoundRobin),
            Subsets = [new DestinationSubset("v1") { Labels = Labels(("version", "x")) }, new DestinationSubset("v2") { Labels = Labels(("version", "2")) }],
        };
        Assert.Equal(BalancerAlgorithm.Random, Policy([newer, older]).Balancer.Algorithm);
        Assert.Equal("1", Policy([newer, older], subset: "v1").Labels["version"]);
        Assert.Equal("2", Policy([newer, older], subset: "v2").Labels["version"]);
        Assert.True(Policy([newer, older], subset: "v3").IsSubsetUnknown);
    }

    [Fact]
    public void Subset_StandsBlockByBlock()
    {
        var rule = Rule("a", "ns", "a.ns.svc.cluster.local") with
        {
            Policy = With(BalancerAlgorithm.Random) with { OutlierDetection = new OutlierDetection { Consecutive5xxErrors = 7 } },
            Subsets = [new DestinationSubset("v1") { Policy = With(BalancerAlgorithm.RoundRobin) }],
        };
        var policy = Policy([rule], subset: "v1");
        Assert.Equal(BalancerAlgorithm.RoundRobin, policy.Balancer.Algorithm);
        Assert.Equal(7, policy.OutlierDetection?.Consecutive5xxErrors);
    }

    [Fact]
    public void Port_ReplacesAllBlocks_ButTheRetryBudget()
    {
        var rule = Rule("a", "ns", "a.ns.svc.cluster.local") with
        {
            Policy = With(BalancerAlgorithm.Random) with
            {
                OutlierDetection = new OutlierDetection(),
                RetryBudget = new RetryBudget(50, 1),
                Ports = [new PortTrafficPolicy(81, new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxConnections = 1 } })],
            },
            Subsets = [new DestinationSubset("v1") { Policy = TrafficPolicy.None with { Ports = [new PortTrafficPolicy(81, With(BalancerAlgorithm.RoundRobin))] } }],
        };
        Assert.Equal(BalancerAlgorithm.Random, Policy([rule]).Balancer.Algorithm);
        Assert.Null(Policy([rule]).ConnectionPool);

        var port = Policy([rule], port: 81);
        Assert.Equal(BalancerAlgorithm.LeastRequest, port.Balancer.Algorithm);
        Assert.Equal(1, port.ConnectionPool?.MaxConnections);
        Assert.Null(port.OutlierDetection);
        Assert.Equal(new RetryBudget(50, 1), port.RetryBudget);

        var subset = Policy([rule], port: 81, subset: "v1");
        Assert.Equal(BalancerAlgorithm.RoundRobin, subset.Balancer.Algorithm);
        Assert.Null(subset.ConnectionPool);
    }

    [Fact]
    public void MeshDefault_FillsBlocksThatAreMissing()
    {
        var defaults = new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxRequests = 9 }, OutlierDetection = new OutlierDetection { Consecutive5xxErrors = 3 } };
        Assert.Equal(9, Policy([], defaults: defaults).ConnectionPool?.MaxRequests);
        var rule = Rule("a", "ns", "a.ns.svc.cluster.local") with { Policy = new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxConnections = 1 } } };
        var policy = Policy([rule], defaults: defaults);
        Assert.Equal(new ConnectionPoolSettings { MaxConnections = 1 }, policy.ConnectionPool);
        Assert.Equal(3, policy.OutlierDetection?.Consecutive5xxErrors);
    }

    [Fact]
    public void Endpoints_OfASubset_HaveItsLabels()
    {
        var (one, two, none) = (Pod("one", "ns", "10.1.0.1").Behind(s_service), Pod("two", "ns", "10.1.0.2").Behind(s_service), Pod("none", "ns", "10.1.0.3").Behind(s_service) with { Capacity = 0 });
        var mesh = Snapshot(s_service, one, two, none, RequestConfiguration.Empty with
        {
            WorkloadLabels = ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty.Add(one.Uid, Labels(("version", "1"))).Add(two.Uid, Labels(("version", "2"))),
        });
        Assert.Equal(["one", "two"], Names(ImmutableDictionary<string, string>.Empty));
        Assert.Equal(["two"], Names(Labels(("version", "2"))));
        Assert.Empty(Names(Labels(("version", "3"))));
        Assert.Empty(BackendEndpoint.All(mesh, s_client, s_service, 99, ImmutableDictionary<string, string>.Empty));

        string[] Names(ImmutableDictionary<string, string> labels) => [.. BackendEndpoint.All(mesh, s_client, s_service, 80, labels).Select(endpoint => endpoint.Workload.Name)];
    }

    private static BackendPolicy Policy(
        DestinationRule[] rules, int port = 80, string? subset = null, (string Name, string Value)? labels = null, TrafficPolicy? defaults = null) => BackendPolicy.Of(
        Snapshot(s_service, s_client, RequestConfiguration.Empty with
        {
            DestinationRules = rules.ToImmutableDictionary(rule => rule.Key),
            DefaultTrafficPolicy = defaults,
            WorkloadLabels = labels is { } own
                ? ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty.Add(s_client.Uid, Labels(own))
                : ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty,
        }),
        s_client,
        s_service,
        port,
        subset);

    private static TrafficPolicy With(BalancerAlgorithm algorithm) => new() { Balancer = new BalancerSettings { Algorithm = algorithm } };

    private static DestinationRule Rule(string name, string ns, string host) => new() { Name = name, Namespace = ns, Host = host };

    private static ImmutableDictionary<string, string> Labels(params (string Name, string Value)[] labels) => labels.ToImmutableDictionary(label => label.Name, label => label.Value);
}
