using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Requests;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;
using static Ambient.Node.Tests.Discovery.ChangingFolder;

namespace Ambient.Node.Tests.Discovery;

/// <summary>An edit costs what it changes: documents parsed, objects translated, policies and routes compiled, in a folder of 520 objects.</summary>
public sealed class IncrementalTranslationTests : IDisposable
{
    private const int Namespaces = 10;
    private const int Apps = 10;
    private readonly ChangingFolder _folder = new();
    private readonly Dictionary<string, RequestPlaces> _places = [];

    public IncrementalTranslationTests()
    {
        for (var n = 0; n < Namespaces; n++)
        {
            _folder.Write($"ns{n}/namespace.yaml", $"{Namespace($"ns{n}")}---\n{WaypointGateway($"ns{n}")}");
            for (var i = 0; i < Apps; i++)
            {
                _folder.Write($"ns{n}/app-{i}.yaml", $"{Deployment($"ns{n}", i)}---\n{Service($"ns{n}", i)}");
                _folder.Write($"ns{n}/policy-{i}.yaml", SelectingPolicy($"ns{n}", i));
                _folder.Write($"ns{n}/attached-{i}.yaml", $"{AttachedPolicy($"ns{n}", i)}---\n{Route($"ns{n}", i)}");
            }
        }

        _folder.Read();
        Assert.Equal(520, _folder.Work["document"]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PodsEdit_ParsesAndTranslatesThePodsOfThatDeployment_AndCompilesNothing()
    {
        var (before, compiled) = (_folder.Store.Current, Compiled());
        _folder.Write("ns3/app-4.yaml", $"{Deployment("ns3", 4, account: "robot")}---\n{Service("ns3", 4)}");
        var after = _folder.Read();

        Assert.Equal(2, _folder.Work["document"]);
        Assert.Equal(2, _folder.Work["workload"]);
        Assert.Equal(["address of a pod", "document", "pod of a controller", "selection", "workload"], _folder.Work.Keys.Order());
        AssertOthersShared(before.Workloads, after.Workloads, "Kubernetes//Pod/ns3/app-4-0", "Kubernetes//Pod/ns3/app-4-1");
        Assert.Equal("robot", after.Workloads["Kubernetes//Pod/ns3/app-4-0"].ServiceAccount);
        Assert.Same(before.Services, after.Services);
        Assert.Same(before.Policies, after.Policies);
        Assert.Same(before.Requests, after.Requests);
        Assert.Empty(Changed(compiled, Compiled()));
        Assert.Equal(before.PoliciesOfNamespace("ns3"), after.PoliciesOfNamespace("ns3"));
    }

    [Fact]
    public void PodsAddition_TouchesNobodyElse()
    {
        var before = _folder.Store.Current;
        _folder.Write("ns3/app-4.yaml", $"{Deployment("ns3", 4, replicas: 3)}---\n{Service("ns3", 4)}");
        var after = _folder.Read();

        Assert.Equal(before.Workloads.Count + 1, after.Workloads.Count);
        AssertOthersShared(before.Workloads, after.Workloads, "Kubernetes//Pod/ns3/app-4-0", "Kubernetes//Pod/ns3/app-4-1", "Kubernetes//Pod/ns3/app-4-2");

        // Two pods are made anew from their changed Deployment, and are what they were.
        Assert.Same(before.Workloads["Kubernetes//Pod/ns3/app-4-0"], after.Workloads["Kubernetes//Pod/ns3/app-4-0"]);
    }

    [Fact]
    public void PolicysEdit_TranslatesThatPolicy_AndNoWorkload()
    {
        var (before, compiled) = (_folder.Store.Current, Compiled());
        _folder.Write("ns3/policy-4.yaml", SelectingPolicy("ns3", 4, "cluster.local/ns/x/sa/other"));
        var after = _folder.Read();

        Assert.Equal(1, _folder.Work["document"]);
        Assert.Equal(["document", "policy", "selector of a policy", "table"], _folder.Work.Keys.Order());
        Assert.Equal(1, _folder.Work["policy"]);
        Assert.Same(before.Workloads, after.Workloads);
        Assert.Same(before.Services, after.Services);
        AssertOthersShared(before.Policies, after.Policies, "ns3/selects-4");
        AssertOthersShared(before.Requests.AuthorizationPolicies, after.Requests.AuthorizationPolicies, "ns3/selects-4");
        Assert.Same(before.Requests.HttpRoutes, after.Requests.HttpRoutes);
        Assert.Empty(Changed(compiled, Compiled()));
    }

    [Fact]
    public void PolicysNewSelector_TranslatesTheWorkloadsThatItSelectsOrSelected()
    {
        var before = _folder.Store.Current;
        _folder.Write("ns3/policy-4.yaml", SelectingPolicy("ns3", 4).Replace("app: app-4", "app: app-5", StringComparison.Ordinal));
        var after = _folder.Read();

        Assert.Equal(4, _folder.Work["workload"]);
        AssertOthersShared(before.Workloads, after.Workloads, [.. new[] { "4-0", "4-1", "5-0", "5-1" }.Select(pod => $"Kubernetes//Pod/ns3/app-{pod}")]);
    }

    [Fact]
    public void AttachedPolicysEdit_CompilesThatPolicy()
    {
        var compiled = Compiled();
        _folder.Write("ns3/attached-4.yaml", $"{AttachedPolicy("ns3", 4, "/b")}---\n{Route("ns3", 4)}");
        _folder.Read();

        Assert.Equal(2, _folder.Work["document"]);
        Assert.Equal(1, _folder.Work["policy"]);
        Assert.Equal(["policy ns3/attached-4"], Changed(compiled, Compiled()));
    }

    [Fact]
    public void RoutesEdit_CompilesThatRoute()
    {
        var compiled = Compiled();
        _folder.Write("ns3/attached-4.yaml", $"{AttachedPolicy("ns3", 4)}---\n{Route("ns3", 4, "/b")}");
        _folder.Read();

        Assert.Equal(["document", "table"], _folder.Work.Keys.Order());
        Assert.Equal(["route ns3/route-4"], Changed(compiled, Compiled()));
    }

    [Fact]
    public void ServicesEdit_TranslatesItAndItsPods_AndCompilesItsRoute()
    {
        var (before, compiled) = (_folder.Store.Current, Compiled());
        _folder.Write("ns3/app-4.yaml", $"{Deployment("ns3", 4)}---\n{Service("ns3", 4, port: 81)}");
        var after = _folder.Read();

        Assert.Equal(2, _folder.Work["document"]);
        Assert.Equal(1, _folder.Work["service"]);
        Assert.Equal(2, _folder.Work["workload"]);
        AssertOthersShared(before.Services, after.Services, "ns3/app-4.ns3.svc.cluster.local");
        AssertOthersShared(before.Workloads, after.Workloads, "Kubernetes//Pod/ns3/app-4-0", "Kubernetes//Pod/ns3/app-4-1");
        Assert.Same(before.Policies, after.Policies);
        Assert.Same(before.Requests, after.Requests);
        Assert.Equal(["route ns3/route-4"], Changed(compiled, Compiled()));
    }

    [Fact]
    public void ObjectMovedToAnotherFile_IsTranslatedByNobody()
    {
        var before = _folder.Store.Current;
        _folder.Write("ns3/policy-4.yaml", "");
        _folder.Write("moved.yaml", $"# From ns3/policy-4.yaml\n---\n{SelectingPolicy("ns3", 4)}");
        Assert.Same(before, _folder.Read());
        Assert.Equal(["document"], _folder.Work.Keys);
    }

    [Fact]
    public void FileTouched_IsNotParsed()
    {
        _folder.Write("ns3/policy-4.yaml", SelectingPolicy("ns3", 4));
        _folder.Read();
        Assert.Equal(0, _folder.Work["document"]);
    }

    [Fact]
    public void FileChangedBehindItsStamp_IsFoundByItsContents()
    {
        var text = SelectingPolicy("ns3", 4);
        _folder.WriteUnnoticed("ns3/policy-4.yaml", text.Replace("sa/y", "sa/z", StringComparison.Ordinal));
        _folder.Read();
        Assert.Equal(1, _folder.Work["document"]);
        Assert.Equal(1, _folder.Work["policy"]);
    }

    [Fact]
    public void XdsUpdateOfOneWorkload_CompilesNothing()
    {
        // Beside the folder, which says how requests are served: one of a thousand workloads changes.
        var istiod = new XdsState(_folder.Store);
        Apply(Enumerable.Range(0, 1000).Select(i => XdsKit.Workload($"w{i}", $"10.1.{i / 250}.{(i % 250) + 1}")));
        var (before, compiled) = (_folder.Store.Current, Compiled());

        Apply([XdsKit.Workload("w500", "10.9.9.9")]);

        var after = _folder.Store.Current;
        AssertOthersShared(before.Workloads, after.Workloads, XdsKit.Uid("w500"));
        Assert.Same(before.Services, after.Services);
        Assert.Same(before.Policies, after.Policies);
        Assert.Same(before.Requests, after.Requests);
        Assert.Empty(Changed(compiled, Compiled()));

        void Apply(IEnumerable<Resource> resources)
        {
            istiod.Apply(XdsKit.Parse(XdsKit.Response(XdsTypes.Address, [.. resources]).ToByteArray()));
        }
    }

    /// <summary>Everything that waypoints have compiled for every service: policies and routes by name, with the instances they are.</summary>
    private Dictionary<string, object> Compiled()
    {
        var all = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach (var service in _folder.Store.Current.Services.Values.Where(service => service.Name != "waypoint"))
        {
            if (!_places.TryGetValue(service.Namespace, out var places))
            {
                _places[service.Namespace] = places = new RequestPlaces(_folder.Store, (mesh, key, earlier) => CompiledPlace.Of(
                    mesh, mesh.Services[key], earlier, (policies, routes) => (
                        RequestPolicies.ForWaypoint(mesh, mesh.Requests.Gateways[$"{mesh.Services[key].Namespace}/waypoint"], mesh.Services[key], policies),
                        RequestRoutes.ForService(mesh, mesh.Services[key], null, routes))));
            }

            var place = places.Find(service.Key)!;
            foreach (var policy in place.Policies.All)
            {
                all.Add($"policy {policy.Key}", policy);
            }

            foreach (var route in place.Routes!.Compiled)
            {
                all.Add($"route {route.Route.Key}", route);
            }
        }

        Assert.Equal(2 * Namespaces * Apps, all.Count);
        return all;
    }

    private static IEnumerable<string> Changed(Dictionary<string, object> before, Dictionary<string, object> after) =>
        after.Where(entry => !ReferenceEquals(before.GetValueOrDefault(entry.Key), entry.Value)).Select(entry => entry.Key);

    private static void AssertOthersShared<T>(IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after, params string[] touched)
        where T : class
    {
        Assert.NotSame(before, after);
        foreach (var (key, value) in after)
        {
            Assert.True(touched.Contains(key) || ReferenceEquals(before.GetValueOrDefault(key), value), key);
        }
    }
}
