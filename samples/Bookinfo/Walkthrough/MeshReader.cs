using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Samples.Bookinfo.Walkthrough.Report;

namespace Ambient.Samples.Bookinfo.Walkthrough;

/// <summary>
/// The manifests as the hosts read them: the walkthrough learns pods and addresses from the same source, and tells on
/// the terminal what is wrong with an edited file.
/// </summary>
internal sealed class MeshReader : IAsyncDisposable
{
    private readonly IMeshSource _source;

    private MeshReader(MeshStore store, IMeshSource source)
    {
        Snapshots = store;
        _source = source;
    }

    /// <summary>The mesh, as new as the folder.</summary>
    public IMeshSnapshotProvider Snapshots { get; }

    /// <summary>Begins to watch a folder.</summary>
    public static async Task<MeshReader> OpenAsync(string folder, Narrator tell, CancellationToken cancellation)
    {
        var store = new MeshStore();
        var source = MeshSource.Create(new DiscoveryOptions { ManifestsFolder = folder }, store, new NarratorLogger(tell));
        try
        {
            await source.StartAsync(cancellation);
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }

        return new MeshReader(store, source);
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
