using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>What the mesh answers after objects came, changed and went: the cases of the original's unit tests (ztunnel <c>state.rs</c>).</summary>
public sealed class MeshStateTests
{
    private static MeshService Service(string name, string ns, string? vip = null, params string[] ranges) => new()
    {
        Name = name,
        Namespace = ns,
        Hostname = $"{name}.example",
        Vips = vip is null ? [] : [new("", IPAddress.Parse(vip))],
        CidrVips = [.. ranges.Select(range => new NetworkCidr("", IPNetwork.Parse(range)))],
        Ports = [new(80, 8080)],
    };

    private static Workload Pod(string name, MeshService? service, params string[] addresses) => new()
    {
        Uid = $"Kubernetes//Pod/default/{name}",
        Name = name,
        Namespace = "default",
        ServiceAccount = name,
        Hostname = $"{name}.host",
        Addresses = [.. addresses.Select(IPAddress.Parse)],
        Services = service is null
            ? ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty
            : ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.SetItem(service.Key, [new ServicePort(80, 8080)]),
    };

    private static MeshSnapshotBuilder Builder(params MeshService[] services) =>
        services.Aggregate(new MeshSnapshotBuilder(MeshSnapshot.Empty), (builder, service) => builder.Set(service));

    private static string? Find(MeshSnapshot mesh, string address, string? ns = null, string network = "") =>
        mesh.FindService(network, IPAddress.Parse(address), ns)?.Name;

    [Fact]
    [Trait("Reference", "lookup_address")]
    public void Lookup_ByAddressAndByHostname_HitAndMiss()
    {
        var web = Service("web", "default", "10.1.0.1");
        var mesh = Builder(web).Set(Pod("a", web, "10.0.0.1")).Build();

        Assert.Equal("a", mesh.FindWorkload("", IPAddress.Parse("10.0.0.1"))?.Name);
        Assert.Equal("a", mesh.FindWorkloadByHostname("default", "a.host")?.Name);
        Assert.Equal("web", Find(mesh, "10.1.0.1"));
        Assert.Equal("web", mesh.FindServiceByHostname("web.example", null)?.Name);
        Assert.Null(mesh.FindWorkload("", IPAddress.Parse("10.0.0.2")));
        Assert.Null(mesh.FindWorkload("other", IPAddress.Parse("10.0.0.1")));
        Assert.Null(mesh.FindWorkloadByHostname("other", "a.host"));
        Assert.Null(Find(mesh, "10.1.0.2"));
        Assert.Null(mesh.FindServiceByHostname("none.example", null));
    }

    [Fact]
    [Trait("Reference", "workload_information")]
    [Trait("Reference", "apply_endpoints_present_removal_applied_before_upsert")]
    public void Endpoints_FollowWorkloadsAndServices_InAnyOrder()
    {
        var web = Service("web", "default", "10.1.0.1");
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(Pod("a", web, "10.0.0.1"));
        Assert.Null(Find(builder.Build(), "10.1.0.1"));

        // The service comes after its workload, then a second workload, then another address and other ports.
        Assert.Equal(["a"], Endpoints(builder.Set(web)));
        Assert.Equal(["a", "b"], Endpoints(builder.Set(Pod("b", web, "10.0.0.2"))));
        var moved = builder.Set(web with { Vips = [new("", IPAddress.Parse("10.1.0.9"))] }).Build();
        Assert.Null(Find(moved, "10.1.0.1"));
        Assert.Equal(2, moved.EndpointsOf(moved.FindService("", IPAddress.Parse("10.1.0.9"), null)!).Length);
        var remapped = Pod("b", web, "10.0.0.2") with { Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.SetItem(web.Key, [new(80, 9090)]) };
        Assert.Contains(builder.Set(remapped).Build().EndpointsOf(web), endpoint => endpoint.Ports is [{ TargetPort: 9090 }]);

        // A workload leaves the service, gets sick, is gone.
        Assert.Equal(["a"], Endpoints(builder.Set(Pod("b", null, "10.0.0.2"))));
        Assert.Empty(Endpoints(builder.Set(Pod("a", web, "10.0.0.1") with { Status = WorkloadStatus.Unhealthy })));
        Assert.Equal(["a"], Endpoints(builder.Set(Pod("a", web, "10.0.0.1"))));
        Assert.Empty(Endpoints(builder.RemoveWorkload(Pod("a", null).Uid)));

        string[] Endpoints(MeshSnapshotBuilder state) => [.. state.Build().EndpointsOf(web).Select(endpoint => endpoint.Workload.Name).Order()];
    }

    [Theory]
    [Trait("Reference", "unhealthy_workloads_staged")]
    [Trait("Reference", "unhealthy_workloads")]
    [Trait("Reference", "apply_endpoints_stages_and_filters_on_flush")]
    [Trait("Reference", "apply_endpoints_present_unhealthy_reinsert_evicts")]
    [InlineData(true)]
    [InlineData(false)]
    public void Unhealthy_IsKeptOnlyWhereTheServiceSaysSo(bool serviceFirst)
    {
        var strict = Service("web", "default", "10.1.0.1");
        var tolerant = strict with { LoadBalancing = new([], LoadBalancingMode.Standard, EndpointHealthPolicy.AllowAll) };
        Workload well = Pod("well", strict, "10.0.0.1"), sick = Pod("sick", strict, "10.0.0.2") with { Status = WorkloadStatus.Unhealthy };

        MeshSnapshotBuilder Build(MeshService service) => serviceFirst ? Builder(service).Set(well).Set(sick) : Builder().Set(well).Set(sick).Set(service);

        Assert.Single(Build(strict).Build().EndpointsOf(strict));
        var builder = Build(tolerant);
        Assert.Equal(2, builder.Build().EndpointsOf(tolerant).Length);
        Assert.Single(builder.Set(strict).Build().EndpointsOf(strict));
        Assert.Empty(builder.Set(well with { Status = WorkloadStatus.Unhealthy }).Build().EndpointsOf(strict));
    }

    [Fact]
    [Trait("Reference", "staged_services_cleanup")]
    [Trait("Reference", "apply_endpoints_staged_removals")]
    public void WorkloadGoneBeforeItsServiceCame_IsNoEndpoint()
    {
        var web = Service("web", "default", "10.1.0.1");
        var builder = Builder().Set(Pod("a", web, "10.0.0.1")).Set(Pod("b", web, "10.0.0.2"));
        builder.Build();
        builder.RemoveWorkload(Pod("a", null).Uid).Set(Pod("b", null, "10.0.0.2"));

        Assert.Empty(builder.Set(web).Build().EndpointsOf(web));
    }

    [Fact]
    [Trait("Reference", "shared_vip_different_namespaces")]
    public void SharedAddress_OwnNamespaceFirst_RemovalsAreSeparate()
    {
        MeshService a = Service("a", "ns-a", "10.1.0.1"), b = Service("b", "ns-b", "10.1.0.1");
        var builder = Builder(a, b);
        var mesh = builder.Build();

        Assert.Equal(("a", "b"), (Find(mesh, "10.1.0.1", "ns-a"), Find(mesh, "10.1.0.1", "ns-b")));
        Assert.NotNull(Find(mesh, "10.1.0.1", "ns-c"));
        Assert.Equal("b", Find(builder.RemoveService(a.Key).Build(), "10.1.0.1", "ns-a"));
        Assert.Null(Find(builder.RemoveService(b.Key).Build(), "10.1.0.1", "ns-a"));
    }

    [Fact]
    [Trait("Reference", "namespace_visibility_vip")]
    public void NamespaceVisibility_Address_IsHiddenFromOthers()
    {
        var hidden = Service("hidden", "ns-a", "10.1.0.1", "10.2.0.0/16") with { Visibility = ServiceVisibility.Namespace };
        var mesh = Builder(hidden).Build();

        Assert.All(["10.1.0.1", "10.2.3.4"], address =>
        {
            Assert.Equal("hidden", Find(mesh, address, "ns-a"));
            Assert.Equal("hidden", Find(mesh, address));
            Assert.Null(Find(mesh, address, "ns-b"));
        });
        Assert.Equal("open", Find(Builder(hidden, Service("open", "ns-c", "10.1.0.1")).Build(), "10.1.0.1", "ns-b"));
    }

    [Fact]
    [Trait("Reference", "namespace_visibility_host")]
    public void NamespaceVisibility_Hostname_IsHiddenFromOthers()
    {
        var hidden = Service("x", "ns-a") with { Visibility = ServiceVisibility.Namespace };
        var mesh = Builder(hidden).Build();

        Assert.NotNull(mesh.FindServiceByHostname("x.example", "ns-a"));
        Assert.NotNull(mesh.FindServiceByHostname("x.example", null));
        Assert.Null(mesh.FindServiceByHostname("x.example", "ns-b"));
        Assert.Equal("ns-c", Builder(hidden, Service("x", "ns-c")).Build().FindServiceByHostname("x.example", "ns-b")?.Namespace);
    }

    [Fact]
    [Trait("Reference", "visibility_filtered_exact_vip_falls_through_to_cidr")]
    public void HiddenExactAddress_OthersGetTheRange()
    {
        var hidden = Service("hidden", "ns-a", "10.1.0.1") with { Visibility = ServiceVisibility.Namespace };
        var mesh = Builder(hidden, Service("range", "ns-c", null, "10.1.0.0/24")).Build();

        Assert.Equal(("hidden", "range"), (Find(mesh, "10.1.0.1", "ns-a"), Find(mesh, "10.1.0.1", "ns-b")));
    }

    [Theory]
    [Trait("Reference", "cidr_match_v4")]
    [Trait("Reference", "cidr_match_v6")]
    [Trait("Reference", "longest_prefix_match_v4")]
    [Trait("Reference", "longest_prefix_match_v6")]
    [InlineData("10.1.0.0/16", "10.1.2.0/24", "10.1.9.9", "10.1.2.3", "10.2.0.1")]
    [InlineData("2001:db8::/32", "2001:db8:1::/48", "2001:db8:2::1", "2001:db8:1::1", "2001:db9::1")]
    public void Range_HoldsItsAddresses_TheMostSpecificWins(string wide, string narrow, string inWide, string inNarrow, string outside)
    {
        var mesh = Builder(Service("wide", "ns", null, wide), Service("narrow", "ns", null, narrow)).Build();

        Assert.Equal(("wide", "narrow", null), (Find(mesh, inWide, "ns"), Find(mesh, inNarrow, "ns"), Find(mesh, outside, "ns")));
    }

    [Fact]
    [Trait("Reference", "dual_stack_cidr")]
    [Trait("Reference", "cidr_family_mismatch")]
    [Trait("Reference", "exact_v4_with_cidr_v6")]
    public void Ranges_OfOneFamily_SayNothingOfTheOther()
    {
        var dual = Builder(Service("dual", "ns", null, "10.0.0.0/8", "2001:db8::/32")).Build();
        Assert.Equal(("dual", "dual"), (Find(dual, "10.1.1.1"), Find(dual, "2001:db8::1")));

        var four = Builder(Service("four", "ns", null, "0.0.0.0/0")).Build();
        Assert.Equal(("four", null), (Find(four, "10.1.1.1"), Find(four, "::1")));

        var mixed = Builder(Service("mixed", "ns", "10.1.0.1", "2001:db8::/32")).Build();
        Assert.Equal(("mixed", "mixed", null), (Find(mixed, "10.1.0.1"), Find(mixed, "2001:db8::1"), Find(mixed, "10.1.0.2")));
    }

    [Theory]
    [Trait("Reference", "exact_match_priority_over_cidr_v4")]
    [Trait("Reference", "exact_match_priority_over_cidr_v6")]
    [InlineData("10.1.0.1", "10.1.0.0/30")]
    [InlineData("2001:db8::1", "2001:db8::/126")]
    public void ExactAddress_GoesBeforeEveryRange(string vip, string range)
    {
        var mesh = Builder(Service("range", "ns", null, range), Service("exact", "ns", vip)).Build();

        Assert.Equal("exact", Find(mesh, vip, "ns"));
    }

    [Fact]
    [Trait("Reference", "cidr_network_scoping")]
    [Trait("Reference", "cidr_remove_cleanup")]
    public void Range_IsOfItsNetworkOnly_AndGoesWithItsService()
    {
        var range = Service("range", "ns") with { CidrVips = [new("net1", IPNetwork.Parse("10.1.0.0/16"))] };
        var builder = Builder(range);

        Assert.Equal("range", Find(builder.Build(), "10.1.0.1", network: "net1"));
        Assert.Null(Find(builder.Build(), "10.1.0.1", network: "net2"));
        Assert.Null(Find(builder.RemoveService(range.Key).Build(), "10.1.0.1", network: "net1"));
    }

    [Fact]
    [Trait("Reference", "overlapping_cidr_different_namespaces")]
    [Trait("Reference", "cidr_namespace_preferred_over_cidr_specificity")]
    public void Ranges_OfTwoNamespaces_OwnGoesFirstEvenWhenItIsWider()
    {
        var same = Builder(Service("a", "ns-a", null, "10.1.0.0/16"), Service("b", "ns-b", null, "10.1.0.0/16")).Build();
        Assert.Equal(("a", "b"), (Find(same, "10.1.2.3", "ns-a"), Find(same, "10.1.2.3", "ns-b")));

        var nested = Builder(Service("wide", "ns-a", null, "10.0.0.0/8"), Service("narrow", "ns-b", null, "10.1.2.0/24")).Build();
        Assert.Equal(("wide", "narrow", "narrow"), (Find(nested, "10.1.2.3", "ns-a"), Find(nested, "10.1.2.3", "ns-b"), Find(nested, "10.1.2.3", "ns-c")));
    }

    [Fact]
    public void Range_ChangedManyTimes_IsNeverStale()
    {
        var builder = Builder(Service("range", "ns", null, "10.1.0.0/16"));
        for (var i = 0; i < 5; i++)
        {
            var service = Service("range", "ns", null, $"10.{i + 2}.0.0/16");
            var mesh = builder.Set(service).Set(Pod($"p{i}", service, $"10.99.0.{i + 1}")).Build();

            Assert.Equal("range", Find(mesh, $"10.{i + 2}.0.1"));
            Assert.Null(Find(mesh, $"10.{i + 1}.0.1"));
            Assert.Equal(i + 1, mesh.EndpointsOf(mesh.FindService("", IPAddress.Parse($"10.{i + 2}.0.1"), null)!).Length);
        }
    }
}
