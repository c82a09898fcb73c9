using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Sources;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Testing;
using Microsoft.Extensions.Logging;

namespace Ambient.EndToEnd.Tests.Demo;

/// <summary>The manifests of the walkthrough, read as the hosts read them, step by step.</summary>
public sealed class ManifestTests : IDisposable
{
    private static readonly string s_samples = Path.Combine(Repository.Root, "samples", "Bookinfo", "k8s");

    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-k8s-").FullName;

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        Directory.Delete($"{_folder}.staging", recursive: true);
    }

    public static TheoryData<string> Samples => [.. Directory.GetFiles(s_samples, "*.yaml").Select(file => Path.GetFileName(file)).Order()];

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Sample_AddedToBookinfo_IsReadWithoutAWarning(string file)
    {
        var (_, warnings) = await ReadAsync(("bookinfo.yaml", null), ("bookinfo-versions.yaml", null), (file, file.StartsWith("namespace", StringComparison.Ordinal) ? "namespace.yaml" : null));

        Assert.Empty(warnings);
    }

    [Fact]
    public async Task Deployed_OutsideTheMesh_IsSixServicesAndTwoClientsOnTwoNodes()
    {
        var (mesh, _) = await ReadAsync(
            ("namespace.yaml", null), ("bookinfo.yaml", null), ("bookinfo-versions.yaml", null), ("sleep.yaml", null), ("notsleep.yaml", null), ("bookinfo-gateway.yaml", null));

        Assert.Equal(
            ["bookinfo-gateway-istio-0", "details-v1-0", "notsleep-0", "productpage-v1-0", "ratings-v1-0", "reviews-v1-0", "reviews-v2-0", "reviews-v3-0", "sleep-0"],
            mesh.Workloads.Values.Select(pod => pod.Name).Order(StringComparer.Ordinal));
        Assert.All(mesh.Workloads.Values, pod => Assert.Equal(("default", TunnelProtocol.Tcp), (pod.Namespace, pod.Protocol)));
        Assert.Equal(9, mesh.Workloads.Values.Select(pod => pod.Addresses.Single()).Distinct().Count());
        Assert.Equal("node-a", Pod(mesh, "sleep").Node);
        Assert.Equal("node-a", Pod(mesh, "notsleep").Node);
        Assert.Equal("node-b", Pod(mesh, "productpage-v1").Node);
        Assert.Equal("bookinfo-productpage", Pod(mesh, "productpage-v1").ServiceAccount);
        Assert.Equal(("reviews", "v2"), (Pod(mesh, "reviews-v2").CanonicalName, Pod(mesh, "reviews-v2").CanonicalRevision));
        Assert.Contains("default/reviews-v2.default.svc.cluster.local", Pod(mesh, "reviews-v2").Services.Keys);
        Assert.Contains("default/bookinfo-gateway-istio.default.svc.cluster.local", mesh.Services.Keys);
        Assert.Equal(5, mesh.Requests.HttpRoutes["default/bookinfo"].Rules.Single().Matches.Length);
    }

    [Fact]
    public async Task Enrolled_WithLayer4Policy_CapturesEveryPodButTheGateway()
    {
        var (mesh, _) = await ReadAsync(
            ("namespace-ambient.yaml", "namespace.yaml"), ("bookinfo.yaml", null), ("sleep.yaml", null), ("bookinfo-gateway.yaml", null),
            ("productpage-viewer-l4.yaml", "productpage-viewer.yaml"));

        Assert.Equal(["bookinfo-gateway-istio-0"], mesh.Workloads.Values.Where(pod => pod.Protocol == TunnelProtocol.Tcp).Select(pod => pod.Name));
        Assert.Equal("default/productpage-viewer", Assert.Single(Pod(mesh, "productpage-v1").AuthorizationPolicies));
        Assert.Empty(Pod(mesh, "reviews-v1").AuthorizationPolicies);
    }

    [Fact]
    public async Task WithWaypoint_ServicesUseItAndTheLayer7PolicyIsNobodysLayer4Policy()
    {
        var (mesh, _) = await ReadAsync(
            ("namespace-ambient-waypoint.yaml", "namespace.yaml"), ("bookinfo.yaml", null), ("bookinfo-versions.yaml", null), ("waypoint.yaml", null),
            ("productpage-viewer-l7.yaml", "productpage-viewer.yaml"), ("route-reviews-90-10.yaml", "route-reviews.yaml"));

        Assert.NotNull(mesh.Services["default/productpage.default.svc.cluster.local"].Waypoint);
        Assert.True(Pod(mesh, "waypoint").NativeTunnel);
        Assert.Equal(TunnelProtocol.Hbone, Pod(mesh, "waypoint").Protocol);
        Assert.Empty(Pod(mesh, "productpage-v1").AuthorizationPolicies);
        Assert.Contains("default/productpage-viewer", mesh.Requests.AuthorizationPolicies.Keys);
        Assert.Equal([90, 10], Assert.IsType<ForwardAction>(mesh.Requests.HttpRoutes["default/reviews"].Rules.Single().Action).Backends.Select(backend => (int)backend.Weight));
        Assert.Equal("waypoint-0", Kubelet.PodOf(mesh.Requests.Gateways["default/waypoint"]));
    }

    private static Workload Pod(MeshSnapshot mesh, string name) => mesh.Workloads.Values.Single(pod => pod.Name == $"{name}-0");

    private async Task<(MeshSnapshot Mesh, IReadOnlyList<string> Warnings)> ReadAsync(params (string Sample, string? Name)[] files)
    {
        var folder = new ManifestFolder(_folder, s_samples);
        foreach (var (sample, name) in files)
        {
            folder.Apply(sample, name);
        }

        var store = new MeshStore();
        var logger = new WarningCollector();
        await using var source = MeshSource.Create(new DiscoveryOptions { ManifestsFolder = folder.Path }, store, logger);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await source.StartAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"the manifests were not read: {string.Join("; ", logger.Warnings)}");
        }

        return (store.Current, logger.Warnings);
    }

    private sealed class WarningCollector : ILogger
    {
        public List<string> Warnings { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Warning)
            {
                lock (Warnings)
                {
                    Warnings.Add(formatter(state, exception));
                }
            }
        }
    }
}
