using Ambient.Node.Hosting.Options;
using Ambient.Node.Requests;
using Ambient.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Tests.Hosting;

public sealed class AddWaypointTests
{
    [Fact]
    public async Task Waypoint_WithoutAuthorityAndGateway_DoesNotStart()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.AddAmbientMesh().FromManifests(".").AsWaypoint();
        using var host = builder.Build();

        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.Contains(failure.Failures, text => text.Contains("no certificate authority", StringComparison.Ordinal));
        Assert.Contains(failure.Failures, text => text.StartsWith("GatewayName", StringComparison.Ordinal));
    }

    [Fact]
    public void RequestFilters_AreTheWaypoints_InTheirOrder()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        var (first, second) = (new Filter(), new Filter());
        builder.AddAmbientMesh().FromManifests(".").AsWaypoint().AddRequestFilter(first).AddRequestFilter(second);
        builder.Services.RemoveAll<IValidateOptions<WaypointOptions>>();
        using var host = builder.Build();

        Assert.Equal([first, second], host.Services.GetRequiredService<IOptions<WaypointOptions>>().Value.Filters);
    }

    [Fact]
    public async Task AddWaypoint_InAHost_AnswersForItsReadinessUntilTheHostStops()
    {
        var folder = Directory.CreateTempSubdirectory("ambient-waypoint-").FullName;
        try
        {
            var manifests = Directory.CreateDirectory(Path.Combine(folder, "manifests")).FullName;
            await File.WriteAllTextAsync(Path.Combine(manifests, "mesh.yaml"), """
                apiVersion: gateway.networking.k8s.io/v1
                kind: Gateway
                metadata:
                  name: waypoint
                  namespace: app
                spec:
                  gatewayClassName: istio-waypoint
                  listeners:
                  - name: mesh
                    port: 15008
                    protocol: HBONE

                """);
            var offset = PortOffsets.Next();
            var builder = Host.CreateEmptyApplicationBuilder(null);
            builder.AddAmbientMesh().FromManifests(manifests).WithEmbeddedAuthority(Path.Combine(folder, "ca")).AsWaypoint(waypoint =>
            {
                waypoint.GatewayName = "waypoint";
                waypoint.Namespace = "app";
                waypoint.Host.PortOffset = offset;
                waypoint.Host.IPv6Enabled = false;
            });
            using var host = builder.Build();
            await host.StartAsync();
            using var client = new HttpClient();
            var ready = new Uri($"http://127.0.0.1:{15021 + offset}/healthz/ready");
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (!await IsReadyAsync(client, ready))
            {
                Assert.False(deadline.IsCancellationRequested, "not ready within a minute");
                await Task.Delay(50, CancellationToken.None);
            }

            await host.StopAsync();
            Assert.False(await IsReadyAsync(client, ready));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> IsReadyAsync(HttpClient client, Uri uri)
    {
        try
        {
            using var response = await client.GetAsync(uri);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private sealed class Filter : MeshRequestFilter;
}
