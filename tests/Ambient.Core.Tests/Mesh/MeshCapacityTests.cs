using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>A large mesh is taken in with what it is made of, and little besides.</summary>
public sealed class MeshCapacityTests
{
    private const int Count = 20_000;

    [Fact]
    public void EnsureCapacity_BeforeManyWorkloads_SavesTheTablesThatWouldGrow()
    {
        var workloads = Enumerable.Range(0, Count).Select(Pod).ToArray();
        _ = Allocated(workloads[..100], roomFor: 100, out _);

        var grown = Allocated(workloads, roomFor: 0, out var expected);
        var made = Allocated(workloads, roomFor: Count, out var mesh);

        Assert.True(made * 10 < grown * 8, $"{made} bytes with room made before, {grown} without");
        Assert.Equal(expected.Workloads.Count, mesh.Workloads.Count);
        foreach (var workload in workloads)
        {
            Assert.Same(workload, mesh.FindWorkload("", workload.Addresses[0]));
            Assert.Same(workload, mesh.Workloads[workload.Uid]);
        }
    }

    [Fact]
    public void EnsureCapacity_BeforeFewChanges_LeavesTheRestShared()
    {
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        foreach (var i in Enumerable.Range(0, 1000))
        {
            mesh.Set(Pod(i));
        }

        var before = mesh.Build();
        var builder = new MeshSnapshotBuilder(before).EnsureCapacity(3);
        builder.Set(Pod(1) with { Name = "other" }).RemoveWorkload(Pod(2).Uid).Set(Pod(2000));
        var after = builder.Build();

        Assert.Equal((1000, 1000), (before.Workloads.Count, after.Workloads.Count));
        Assert.Equal("other", after.Workloads[Pod(1).Uid].Name);
        Assert.False(after.Workloads.ContainsKey(Pod(2).Uid));
        Assert.Same(before.Workloads[Pod(3).Uid], after.Workloads[Pod(3).Uid]);
        Assert.True(after.Workloads.ContainsKey(Pod(2000).Uid));
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.EnsureCapacity(-1));
    }

    private static long Allocated(Workload[] workloads, int roomFor, out MeshSnapshot mesh)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty).EnsureCapacity(roomFor);
        foreach (var workload in workloads)
        {
            builder.Set(workload);
        }

        mesh = builder.Build();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static Workload Pod(int i) => new()
    {
        Uid = $"cluster//Pod/ns/pod-{i}",
        Name = $"pod-{i}",
        Namespace = "ns",
        Node = $"node-{i % 100}",
        Addresses = [new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i])],
        Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add($"ns/svc-{i % 500}", [new ServicePort(80, 8080)]),
    };
}
