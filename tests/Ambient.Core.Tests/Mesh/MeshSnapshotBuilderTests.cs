using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>Snapshots and what they cost. Alone in its collection: it looks at the memory of the whole process.</summary>
[CollectionDefinition(nameof(MeshSnapshotBuilderTests), DisableParallelization = true)]
[Collection(nameof(MeshSnapshotBuilderTests))]
public sealed class MeshSnapshotBuilderTests
{
    private static readonly MeshService Reviews = new()
    {
        Name = "reviews",
        Namespace = "default",
        Hostname = "reviews.default.svc.cluster.local",
        Vips = [new("", IPAddress.Parse("10.1.0.1"))],
        Ports = [new(9080, 9080)],
    };

    [Fact]
    public void Build_NothingChanged_IsPrevious()
    {
        var snapshot = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(Pod(1)).Set(Reviews).Build();

        var same = new MeshSnapshotBuilder(snapshot).Set(Pod(1)).Set(Reviews with { }).RemoveWorkload("nobody").Build();

        Assert.Same(snapshot, same);
    }

    [Fact]
    public void Build_Twice_GoesOnFromTheFirst()
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        var first = builder.Set(Pod(1)).Build();
        var second = builder.Set(Pod(2)).Build();

        Assert.Single(first.Workloads);
        Assert.Equal(2, second.Workloads.Count);
        Assert.True(second.Version > first.Version);
        Assert.Null(first.FindWorkload("", Pod(2).Addresses[0]));
    }

    [Fact]
    public void ReplaceAll_EqualObjects_AreSharedAndTheRestGoes()
    {
        var first = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll([Pod(1), Pod(2)], [Reviews], []).Build();

        var second = new MeshSnapshotBuilder(first).ReplaceAll([Pod(1), Pod(3)], [Reviews with { }], []).Build();

        Assert.Same(first.Workloads[Pod(1).Uid], second.Workloads[Pod(1).Uid]);
        Assert.Same(first.Services, second.Services);
        Assert.Same(first.Policies, second.Policies);
        Assert.Null(second.FindWorkload("", Pod(2).Addresses[0]));
        Assert.Equal([Pod(1).Uid, Pod(3).Uid], second.EndpointsOf(Reviews).Select(endpoint => endpoint.Workload.Uid));
    }

    [Fact]
    public void ReplaceAll_AnyOrder_DecidesConflictsAlike()
    {
        var address = IPAddress.Parse("10.0.0.9");
        Workload[] twins = [Pod(1) with { Addresses = [address] }, Pod(2) with { Addresses = [address] }];

        var forth = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(twins, [], []).Build();
        var back = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(twins.Reverse(), [], []).Build();

        Assert.Equal(forth.FindWorkload("", address), back.FindWorkload("", address));
    }

    [Fact]
    public void Key_OfCopy_FollowsTheCopy()
    {
        Assert.Equal("default/reviews.default.svc.cluster.local", Reviews.Key);
        Assert.Equal("other/reviews.default.svc.cluster.local", (Reviews with { Namespace = "other" }).Key);
        Assert.Equal("spiffe://cluster.local/ns/default/sa/a", Pod(1).Identity.ToString());
        Assert.Equal("spiffe://td/ns/default/sa/a", (Pod(1) with { TrustDomain = "td" }).Identity.ToString());
    }

    [Fact]
    [Trait("Reference", "overlapping_workload_ip")]
    public void Set_OverlappingAddress_PrefersPodThenEntryThenNone()
    {
        var address = Pod(1).Addresses[0];
        var entry = Pod(1) with { Uid = "K/networking.istio.io/WorkloadEntry/default/e" };
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(Pod(1)).Set(entry).Set(entry with { });

        Assert.Equal(2, builder.Build().Workloads.Count);
        Assert.Equal(Pod(1).Uid, builder.Build().FindWorkload("", address)?.Uid);
        Assert.Equal(entry.Uid, builder.RemoveWorkload(Pod(1).Uid).Build().FindWorkload("", address)?.Uid);
        Assert.Null(builder.RemoveWorkload(entry.Uid).Build().FindWorkload("", address));
    }

    [Fact]
    public void FindWorkload_MappedAddress_IsTheIPv4One()
    {
        var snapshot = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(Pod(1)).Build();

        Assert.NotNull(snapshot.FindWorkload("", Pod(1).Addresses[0].MapToIPv6()));
    }

    [Fact]
    public void EndpointsOf_HealthPolicyChanged_FollowsIt()
    {
        var tolerant = Reviews with { LoadBalancing = new LoadBalancing([], LoadBalancingMode.Standard, EndpointHealthPolicy.AllowAll) };
        var snapshot = new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .Set(Pod(1)).Set(Pod(2) with { Status = WorkloadStatus.Unhealthy }).Set(Reviews).Build();

        Assert.Single(snapshot.EndpointsOf(Reviews));
        Assert.Equal(2, snapshot.EndpointsOf(tolerant).Length);
    }

    [Fact]
    [Trait("Reference", "rbac_change_scope")]
    public void PoliciesOfNamespace_ScopeChangesToSelector_LeavesNamespace()
    {
        var policy = new AuthorizationPolicy { Namespace = "default", Name = "p", Scope = PolicyScope.Namespace };
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(policy);
        Assert.Single(builder.Build().PoliciesOfNamespace("default"));

        var after = builder.Set(policy with { Scope = PolicyScope.WorkloadSelector }).Build();

        Assert.Empty(after.PoliciesOfNamespace("default"));
        Assert.True(after.Policies.ContainsKey("default/p"));
    }

    [Fact]
    public void Build_HundredOfManyChanged_CostsTheChange()
    {
        const int Many = 30_000;
        var (snapshot, bytes) = (MeshSnapshot.Empty, 0L);

        // Again where the rest of the process let go of megabytes, or took them, in between.
        for (var round = 0; round < 3 && bytes is < 1 or > 1_100; round++)
        {
            snapshot = MeshSnapshot.Empty;
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
            for (var i = 0; i < Many; i++)
            {
                builder.Set(Large(i, WorkloadStatus.Healthy));
            }

            snapshot = builder.Build();
            bytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / Many;
        }

        // Bytes and not time, which means nothing on a busy machine: copying any index of the whole would show.
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var update = new MeshSnapshotBuilder(snapshot);
        for (var i = 0; i < 100; i++)
        {
            update.Set(Large(i * 291, WorkloadStatus.Unhealthy));
        }

        var updated = update.Build();
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;

        Assert.Equal(Many, updated.Workloads.Count);
        Assert.InRange(allocated, 1, 1_000_000);
        Assert.InRange(bytes, 1, 1_100);
        GC.KeepAlive(snapshot);
    }

    private static Workload Pod(int i) => new()
    {
        Uid = $"K//Pod/default/p{i}",
        Name = $"p{i}",
        Namespace = "default",
        ServiceAccount = "a",
        Addresses = [IPAddress.Parse($"10.0.0.{i}")],
        Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(Reviews.Key, [new(9080, 9080)]),
    };

    private static Workload Large(int i, WorkloadStatus status) => new()
    {
        Uid = $"Kubernetes//Pod/ns-{i % 500}/deployment-{i % 5000}-6d5f9c7b8-{i}",
        Name = $"deployment-{i % 5000}-6d5f9c7b8-{i}",
        Namespace = "default",
        ServiceAccount = "a",
        Node = Nodes[i % Nodes.Length],
        Status = status,
        Addresses = [new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i])],
        Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(Keys[i % Keys.Length], [new(80, 8080)]),
    };

    private static readonly string[] Nodes = [.. Enumerable.Range(0, 1000).Select(i => $"node-{i}")];
    private static readonly string[] Keys = [.. Enumerable.Range(0, 5000).Select(i => $"ns-{i % 500}/svc-{i}.ns-{i % 500}.svc.cluster.local")];
}
