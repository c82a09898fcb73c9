using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Testing.Certificates;

namespace Ambient.Node.Tests.Authorities;

/// <summary>Whose certificates are fetched ahead of time.</summary>
public sealed class SvidWarmupTests
{
    private readonly MeshStore _store = new();

    [Theory]
    [InlineData("node-a", new[] { "hbone", "native", "native-tcp" })]
    [InlineData("node-b", new[] { "far" })]
    [InlineData(null, new[] { "far", "hbone", "native", "native-tcp" })]
    public async Task PodsOfTheNode_ThatAreCapturedOrSpeakHboneThemselves(string? node, string[] expected)
    {
        await using var svids = new SvidCache(new TestAuthority());
        Publish(
            Pod("hbone", "node-a", TunnelProtocol.Hbone), Pod("native", "node-a", TunnelProtocol.Hbone, native: true),
            Pod("native-tcp", "node-a", TunnelProtocol.Tcp, native: true), Pod("plain", "node-a", TunnelProtocol.Tcp), Pod("far", "node-b", TunnelProtocol.Hbone));
        using var warmup = new SvidWarmup(_store, svids, node);

        Assert.Equal(expected, Accounts(svids));
    }

    [Fact]
    public async Task LastPodOfAnAccount_TakesItsCertificateAlong()
    {
        await using var svids = new SvidCache(new TestAuthority());
        var (one, two) = (Pod("one", "node-a", TunnelProtocol.Hbone), Pod("two", "node-a", TunnelProtocol.Hbone) with { ServiceAccount = "one" });
        Publish(one, two);
        using var warmup = new SvidWarmup(_store, svids, "node-a");

        _store.Publish(new MeshSnapshotBuilder(_store.Current).RemoveWorkload(one.Uid).Build());
        Assert.Equal(["one"], Accounts(svids));
        _store.Publish(new MeshSnapshotBuilder(_store.Current).RemoveWorkload(two.Uid).Build());
        Assert.Empty(Accounts(svids));
    }

    private static string[] Accounts(SvidCache svids) => [.. svids.Snapshot().Select(entry => entry.Identity.ToString().Split('/')[^1]).Order(StringComparer.Ordinal)];

    private void Publish(params Workload[] workloads)
    {
        var builder = new MeshSnapshotBuilder(_store.Current);
        foreach (var workload in workloads)
        {
            builder.Set(workload);
        }

        _store.Publish(builder.Build());
    }

    private static Workload Pod(string name, string node, TunnelProtocol protocol, bool native = false) => new()
    {
        Uid = $"Kubernetes//Pod/ns/{name}",
        Name = name,
        Namespace = "ns",
        ServiceAccount = name,
        Node = node,
        Protocol = protocol,
        NativeTunnel = native,
    };
}
