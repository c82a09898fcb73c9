using System.Diagnostics;
using System.Net.Sockets;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Ztunnels that leave, that are replaced, and pods that are taken from them (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class ReplacementTests
{
    private const string Hello = "hello worldhello world";
    private const string Server = "10.82.2.2";

    [SkippableFact]
    public async Task ZtunnelsReplacedUnderLoad_NotOneNewConnectionIsRefusedOrReset()
    {
        await using var cluster = await StartAsync();
        using var open = await cluster.ConnectAsync("client", Server, 8080);
        Assert.Equal(Hello, await Exchange.RunAsync(open, "hello world", 22));
        await using var load = new SteadyLoad(cluster, "client", Server);
        await load.NextAsync(50);

        // The caller's side first, then the other's: as a DaemonSet rolls over its nodes.
        await ReplaceAsync("node-1", open);
        await ReplaceAsync("node-2", null);

        var (total, failures) = await load.StopAsync();
        Assert.True(failures.Count == 0, $"{failures.Count} of {total} connections failed: {string.Join("; ", failures.Take(5))}");

        async Task ReplaceAsync(string node, Socket? longLived)
        {
            var old = await cluster.ReplaceZtunnelAsync(node);
            await load.NextAsync(50);
            var ending = old.StopAsync();
            await old.WaitForLineAsync("SIGTERM: draining");
            await load.NextAsync(100);
            if (longLived is not null)
            {
                // What was open before goes on over the one that leaves, which waits for it.
                Assert.Equal(Hello, await Exchange.RunAsync(longLived, "hello world", 22));
                Assert.False(old.HasExited);
                longLived.Dispose();
            }

            Assert.Equal(0, await ending);
            await load.NextAsync(50);
        }
    }

    [SkippableFact]
    [Trait("Reference", "test_ztunnel_shutdown")]
    public async Task LeavingZtunnel_KeepsOpenConnections_AndTakesNoNewOnes()
    {
        await using var cluster = await StartAsync();
        using var open = await cluster.ConnectAsync("client", Server, 8080);
        Assert.Equal(Hello, await Exchange.RunAsync(open, "hello world", 22));

        var ending = cluster.ZtunnelOf("client").StopAsync();
        await cluster.ZtunnelOf("client").WaitForLineAsync("SIGTERM: draining");
        await UntilRefusedAsync(cluster);
        Assert.Equal(Hello, await Exchange.RunAsync(open, "hello world", 22));

        open.Dispose();
        Assert.Equal(0, await ending);
        await UntilRefusedAsync(cluster);
    }

    [SkippableFact]
    [Trait("Reference", "test_server_shutdown")]
    public async Task PodTakenFromItsZtunnel_LosesItsConnections_AndGetsNoNewOnes()
    {
        await using var cluster = await StartAsync();
        using var open = await cluster.ConnectAsync("client", Server, 8080);
        Assert.Equal(Hello, await Exchange.RunAsync(open, "hello world", 22));

        Assert.Empty(await cluster.WithdrawAsync("server"));

        Assert.True(await Exchange.IsRefusedAsync(open, "hello world"));
        Assert.True(await Exchange.IsRefusedAsync(cluster.ConnectAsync("client", Server, 8080), "hello world"));
    }

    private static async Task<NamespaceCluster> StartAsync()
    {
        var cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared);
        try
        {
            cluster.Settings["TERMINATION_GRACE_PERIOD_SECONDS"] = "20";
            await cluster.WithPodsAsync(
                new ClusterPod("client", "node-1", true, "", "10.82.1.2"), new ClusterPod("server", "node-2", true, "", Server));
            return await cluster.WithEcho("server").StartAsync();
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    private static async Task UntilRefusedAsync(NamespaceCluster cluster)
    {
        var from = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var socket = await cluster.ConnectAsync("client", Server, 8080);
            }
            catch (SocketException)
            {
                return;
            }

            Assert.True(Stopwatch.GetElapsedTime(from) < Exchange.Patience, "new connections are still taken");
            await Task.Delay(20);
        }
    }
}
