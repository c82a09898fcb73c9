using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Sources;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Report;
using Microsoft.Extensions.Logging;

namespace Ambient.Samples.Bookinfo.Walkthrough;

/// <summary>
/// The manifests as the hosts read them: the walkthrough learns pods and addresses from the same source, and tells on
/// the terminal what is wrong with an edited file.
/// </summary>
internal sealed class MeshReader : IAsyncDisposable
{
    private readonly IMeshSource _source;
    private readonly NarratorLogger _logger;

    private MeshReader(MeshStore store, IMeshSource source, NarratorLogger logger)
    {
        Snapshots = store;
        _source = source;
        _logger = logger;
    }

    /// <summary>The mesh, as new as the folder.</summary>
    public IMeshSnapshotProvider Snapshots { get; }

    /// <summary>Begins to watch a folder.</summary>
    public static async Task<MeshReader> OpenAsync(string folder, IClusterNetwork network, Narrator tell, CancellationToken cancellation)
    {
        var store = new MeshStore();
        var logger = new NarratorLogger(tell);
        var source = MeshSource.Create(new DiscoveryOptions { ManifestsFolder = folder, PodRange = network.PodRange, ServiceRange = network.ServiceRange }, store, logger);
        try
        {
            await source.StartAsync(cancellation);
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }

        return new MeshReader(store, source, logger);
    }

    /// <summary>From now on tells of every edit: that it is live, and that a wrong one is mended.</summary>
    public void TellEdits() => _logger.Least = LogLevel.Information;

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
