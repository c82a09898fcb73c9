using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Folders in the shape of what people apply: demos, a chart's output, a dump of a cluster.</summary>
public sealed class RealFolderTests
{
    [Theory]
    [InlineData("Bookinfo", 7, 5, 0)]
    [InlineData("OnlineBoutique", 12, 12, 1)]
    [InlineData("SockShop", 14, 14, 0)]
    [InlineData("Emojivoto", 4, 3, 1)]
    [InlineData("Helm", 6, 2, 2)]
    [InlineData("KubectlDump", 2, 1, 0)]
    public void Folder_InTheShapeOfADemo_IsAMesh(string name, int workloads, int services, int noManifests)
    {
        var (load, mesh) = Load(name);
        Assert.Equal((workloads, services, noManifests), (mesh.Workloads.Count, mesh.Services.Count, load.NoManifests.Count));
        Assert.Empty(load.Repeated);
        Assert.All(mesh.Workloads, workload => Assert.NotEmpty(workload.Addresses));
        Assert.Equal(mesh.Workloads.Count, mesh.Workloads.SelectMany(workload => workload.Addresses).Distinct().Count());
    }

    [Fact]
    public void Service_OfADemo_HasItsEndpoints()
    {
        // Each port of each service has an endpoint: no port's name was lost, no selector misread.
        foreach (var name in new[] { "OnlineBoutique", "SockShop", "Emojivoto", "Helm", "KubectlDump" })
        {
            var (_, mesh) = Load(name);
            foreach (var service in mesh.Services)
            {
                var ports = mesh.Workloads.SelectMany(workload => workload.Services.TryGetValue(service.Key, out var backed) ? backed : []).Select(port => port.Port);
                Assert.Equal(service.Ports.Select(port => port.Port).Order(), ports.Distinct().Order());
            }
        }
    }

    [Fact]
    public void Emojivoto_WithMergedLabels_IsCapturedAndNamed()
    {
        var (load, mesh) = Load("Emojivoto");
        Assert.EndsWith("kustomization.yml", Assert.Single(load.NoManifests), StringComparison.Ordinal);
        Assert.All(mesh.Workloads, workload => Assert.Equal(TunnelProtocol.Hbone, workload.Protocol));
        Assert.Equal("emoji", mesh.Workloads.Single(workload => workload.Name == "emoji-0").CanonicalName);
    }

    [Fact]
    public void Chart_Rendered_HasStatefulPodsAndAReport()
    {
        var (load, mesh) = Load("Helm");
        Assert.Equal(["rel-db-0", "rel-db-1", "rel-report-0", "rel-shop-0", "rel-shop-1", "rel-shop-test"], mesh.Workloads.Select(workload => workload.Name));
        Assert.Equal(["Chart.yaml", "values.yaml"], load.NoManifests.Select(Path.GetFileName));
        Assert.Contains("CustomResourceDefinition", load.Skipped.Keys);
    }

    [Fact]
    public void Dump_OfACluster_HasThePodsOfTheClusterAndNoOthers()
    {
        var (_, mesh) = Load("KubectlDump");
        Assert.Equal(["10.244.1.11", "10.244.1.12"], mesh.Workloads.Select(workload => workload.Addresses[0].ToString()));
        Assert.All(mesh.Workloads, workload => Assert.Equal(("web", TunnelProtocol.Hbone), (workload.WorkloadName, workload.Protocol)));
    }

    private static (ManifestLoad Load, MeshTranslation Mesh) Load(string name)
    {
        var path = Path.Combine(Repository.Root, "tests", "Ambient.Node.Tests", "Discovery", "Folders", name);
        var load = ManifestLoader.Load(path, new ManifestFolder(path).List(), default);
        Assert.Empty(load.Errors.Items);
        return (load, MeshTranslator.Translate(load.Objects, new TranslationOptions()));
    }
}
