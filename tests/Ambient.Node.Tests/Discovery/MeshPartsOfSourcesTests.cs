using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Several sources, one mesh: each owns its part.</summary>
public sealed class MeshPartsOfSourcesTests
{
    [Fact]
    public async Task LocalConfigBesideXds_KeepsItsWorkload_WhateverTheControlPlaneSends()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        var mesh = XdsKit.Response(XdsTypes.Address, XdsKit.Workload("own", "10.0.0.66"), XdsKit.Workload("other"));
        server.Discovery.Initial = request => request.TypeUrl == XdsTypes.Address ? mesh : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        var options = new DiscoveryOptions
        {
            LocalConfig = $"workloads:\n- {{uid: {XdsKit.Uid("own")}, name: written, namespace: ns, workloadIps: [\"10.0.0.9\"]}}",
            Xds = XdsKit.Options(server),
        };
        await using var source = MeshSource.Create(options, store, NullLogger.Instance);

        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);
        Assert.Equal("written", store.Current.Workloads[XdsKit.Uid("own")].Name);
        Assert.Equal(2, store.Current.Workloads.Count);

        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watching = store.OnChange(now =>
        {
            if (!now.Workloads.ContainsKey(XdsKit.Uid("other")))
            {
                gone.TrySetResult();
            }
        });
        server.Discovery.Push(new DeltaDiscoveryResponse { TypeUrl = XdsTypes.Address, Nonce = "gone", RemovedResources = { XdsKit.Uid("own"), XdsKit.Uid("other") } });
        await gone.Task.WaitAsync(XdsKit.Patience);

        Assert.Equal("written", Assert.Single(store.Current.Workloads.Values).Name);
    }
}
