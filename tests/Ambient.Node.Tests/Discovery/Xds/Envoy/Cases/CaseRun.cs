using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>The hosts of a recorded case, all running: a waypoint, and a gateway where the case has one, told of the mesh by manifests, and the same told by istiod.</summary>
internal sealed class CaseRun : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-case-").FullName;

    private CaseRun()
    {
    }

    /// <summary>Told by manifests.</summary>
    public CaseSide Folder { get; private set; } = null!;

    /// <summary>Told by istiod.</summary>
    public CaseSide Recording { get; private set; } = null!;

    /// <summary>Who has which address.</summary>
    public MeshSnapshot Mesh => Folder.Waypoint.Store.Current;

    public static async Task<CaseRun> StartAsync(string name, CaseBackends backends)
    {
        var run = new CaseRun();
        try
        {
            await run.OpenAsync(name, backends);
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task OpenAsync(string name, CaseBackends backends)
    {
        var recordings = Path.Combine(GoldenFolder.Case("xds", name), "xds");
        await File.WriteAllTextAsync(Path.Combine(_folder, "input.yaml"), CaseMove.Manifests(await File.ReadAllTextAsync(Path.Combine(recordings, "..", "input.yaml"))));
        var recorded = new List<CaseHost>();
        var told = new List<CaseHost>();
        foreach (var recording in new[] { "waypoint", "gateway" }.Select(kind => Path.Combine(recordings, kind)).Where(Directory.Exists))
        {
            var (node, pod) = RecordedIstiod.NodeOf(recording);
            var istiod = Own(await RecordedIstiod.StartAsync(recording, answered: CaseMove.Response));
            recorded.Add(Own(await CaseHost.StartAsync(null, istiod.Store, (node.Namespace, node.Gateway, pod), backends, untilReady: name != "bare")));
            told.Add(Own(await CaseHost.StartAsync(new DiscoveryOptions { ManifestsFolder = _folder, Network = RecordedIstiod.NetworkOf(recording) }, new MeshStore(), (node.Namespace, node.Gateway, pod), backends)));
        }

        Folder = new CaseSide("by manifests", told[0], told.ElementAtOrDefault(1), Own(new CaseClient(backends)));
        Recording = new CaseSide("by istiod", recorded[0], recorded.ElementAtOrDefault(1), Own(new CaseClient(backends)));
        Folder.Client.All = Recording.Client.All = Mesh;
        StartBackends(Folder.Waypoint.Store.Current, backends);
    }

    /// <summary>Runs every endpoint that the manifests tell of, and what names outside of the mesh lead to.</summary>
    private static void StartBackends(MeshSnapshot mesh, CaseBackends backends)
    {
        foreach (var workload in mesh.Workloads.Values)
        {
            int[] ports = [.. workload.Services.SelectMany(service => mesh.Services.TryGetValue(service.Key, out var known)
                ? known.Ports.Select(port => service.Value.Where(own => own.Port == port.Port).Select(own => own.TargetPort).FirstOrDefault(port.TargetPort))
                : []).Where(port => port is > 0 and not 15008).Distinct()];
            foreach (var address in workload.Addresses.Where(CaseMove.IsServed))
            {
                backends.Start(address, workload.Identity, ports);
            }
        }

        foreach (var address in mesh.Services.Values.Any(service => service.Hostname.EndsWith(".example.com", StringComparison.Ordinal)) ? CaseNames.Addresses : [])
        {
            backends.Start(address, SpiffeId.ForServiceAccount("cluster.local", "nowhere", "nobody"), [80, 443, 8080, 8443]);
        }
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Add(part);
        return part;
    }
}

/// <summary>The hosts that one source told, and who speaks to them.</summary>
internal sealed record CaseSide(string Name, CaseHost Waypoint, CaseHost? Gateway, CaseClient Client)
{
    /// <summary>The mesh of the host that a question is for.</summary>
    public CaseHost HostOf(Question question) => question.AtGateway ? Gateway ?? throw new InvalidOperationException("the case has no gateway") : Waypoint;
}
