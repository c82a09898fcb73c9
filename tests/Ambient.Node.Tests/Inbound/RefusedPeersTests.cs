using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Tests.Diagnostics;

namespace Ambient.Node.Tests.Inbound;

/// <summary>What peers leave behind that policy refuses. Alone in its collection: it looks at the memory of the whole process.</summary>
[CollectionDefinition(nameof(RefusedPeersTests), DisableParallelization = true)]
[Collection(nameof(RefusedPeersTests))]
public sealed class RefusedPeersTests
{
    [Fact]
    public async Task RefusedPeers_LeaveNothingBehind_WhateverTheySay()
    {
        await using var kit = new InboundKit();
        kit.Publish(mesh => mesh.Set(new AuthorizationPolicy
        {
            Name = "deny-all", Namespace = "default", Scope = PolicyScope.Namespace, Action = PolicyAction.Allow, Rules = [],
        }));
        await RefusedAsync(0);
        var (series, before) = (kit.Registry.Budget.Series, GC.GetTotalMemory(forceFullCollection: true));

        for (var i = 1; i <= 1000; i++)
        {
            await RefusedAsync(i);
        }

        // A log in memory grows by a line for each; a thousand times 60 KB would be sixty megabytes.
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 24 * 1024 * 1024);
        Assert.Equal(series, kit.Registry.Budget.Series);
        Assert.Equal(0, kit.Registry.Budget.Folded);
        var page = kit.Registry.Text();
        Assert.DoesNotContain("intruder", page, StringComparison.Ordinal);
        Assert.Contains("response_flags=\"DENY\"", page, StringComparison.Ordinal);
        Assert.InRange(page.Length, 1, 16 * 1024);
        Assert.Equal(0, kit.Table.Count);

        async Task RefusedAsync(int i)
        {
            var baggage = $"k8s.namespace.name=intruder-{i},service.name=intruder-{i},k8s.deployment.name=intruder-{i}-{new string('x', 60_000)}";
            var e = await Assert.ThrowsAsync<HboneException>(() => kit.ConnectAsync(adjust: request => request with { Baggage = baggage }));
            Assert.Equal(401, e.StatusCode);
        }
    }
}
