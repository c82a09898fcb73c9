using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

public sealed class MeshSnapshotPropertyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Builder_RandomUpdates_AnswersAsListsWould(int seed)
    {
        var random = new RandomMesh(seed);
        var slow = new SlowMesh();
        var snapshot = MeshSnapshot.Empty;
        for (var batch = 0; batch < 120; batch++)
        {
            var builder = new MeshSnapshotBuilder(snapshot);
            for (var change = random.Random.Next(1, 6); change > 0; change--)
            {
                Change(random, builder, slow);
            }

            snapshot = builder.Build();
            AssertAnswers(slow, snapshot);
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Builder_RandomUpdates_EqualsSnapshotFromScratch(int seed)
    {
        var random = new RandomMesh(seed);
        var slow = new SlowMesh();
        var snapshot = MeshSnapshot.Empty;
        for (var batch = 0; batch < 200; batch++)
        {
            var builder = new MeshSnapshotBuilder(snapshot);
            Change(random, builder, slow);
            snapshot = builder.Build();
        }

        var scratch = new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .ReplaceAll(slow.Workloads.Values.Reverse(), slow.Services.Values.Reverse(), slow.Policies.Values.Reverse())
            .Build();
        foreach (var service in slow.Services.Values)
        {
            Assert.Equal(scratch.EndpointsOf(service).AsEnumerable(), snapshot.EndpointsOf(service));
        }

        foreach (var ns in new[] { "a", "b", "c", "other" })
        {
            Assert.Equal(scratch.PoliciesOfNamespace(ns).AsEnumerable(), snapshot.PoliciesOfNamespace(ns));
        }

        Assert.Equal(scratch.WorkloadsOfNode("node-1").AsEnumerable(), snapshot.WorkloadsOfNode("node-1"));
        Assert.Equal(scratch.Workloads.Count, snapshot.Workloads.Count);
    }

    private static void Change(RandomMesh random, MeshSnapshotBuilder builder, SlowMesh slow)
    {
        switch (random.Random.Next(9))
        {
            case < 3:
                var workload = random.Workload();
                builder.Set(workload);
                slow.Set(workload);
                break;
            case < 5:
                var service = random.Service();
                builder.Set(service);
                slow.Set(service);
                break;
            case < 6:
                var policy = random.Policy();
                builder.Set(policy);
                slow.Set(policy);
                break;
            case 6:
                var uid = random.Uid();
                builder.RemoveWorkload(uid);
                slow.RemoveWorkload(uid);
                break;
            case 7:
                var key = random.ServiceKey();
                builder.RemoveService(key);
                slow.RemoveService(key);
                break;
            default:
                var name = random.PolicyKey();
                builder.RemovePolicy(name);
                slow.Policies.Remove(name);
                break;
        }
    }

    private static void AssertAnswers(SlowMesh slow, MeshSnapshot snapshot)
    {
        foreach (var address in RandomMesh.Addresses)
        {
            Assert.Equal(slow.FindWorkload(address), snapshot.FindWorkload(address.Network, address.Address));
            foreach (var client in RandomMesh.ClientNamespaces)
            {
                Assert.Equal(slow.FindService(address, client), snapshot.FindService(address.Network, address.Address, client));
            }
        }

        foreach (var hostname in RandomMesh.Hostnames)
        {
            Assert.Equal(slow.BestService(hostname, "a"), snapshot.FindServiceByHostname(hostname, "a"));
        }

        foreach (var service in slow.Services.Values)
        {
            var expected = slow.Workloads.Values
                .Where(workload => workload.Services.ContainsKey(service.Key))
                .Where(workload => workload.Status == WorkloadStatus.Healthy || service.LoadBalancing?.HealthPolicy == EndpointHealthPolicy.AllowAll)
                .Select(workload => workload.Uid)
                .Order(StringComparer.Ordinal);
            Assert.Equal(expected, snapshot.EndpointsOf(service).Select(endpoint => endpoint.Workload.Uid));
        }

        foreach (var ns in new[] { "a", "b", "other" })
        {
            var expected = slow.Policies.Values
                .Where(policy => policy.Scope == PolicyScope.Global || (policy.Scope == PolicyScope.Namespace && policy.Namespace == ns))
                .OrderBy(policy => policy.Scope)
                .ThenBy(policy => policy.Key, StringComparer.Ordinal)
                .Select(policy => policy.Key);
            Assert.Equal(expected, snapshot.PoliciesOfNamespace(ns).Select(policy => policy.Key));
        }
    }
}
