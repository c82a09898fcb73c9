using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;

namespace Ambient.Node.Connections;

/// <summary>
/// Who takes part in an inbound connection, for logs and metrics: the workload behind the client's address, and the services of the one that
/// is called. With a mesh that is learned on demand, the control plane is asked for them, but not for long: it is only for a log line.
/// </summary>
internal sealed class PartyLookup(IMeshSnapshotProvider mesh, IMeshDemand? demand)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>The workload of an address in a network; null when the mesh has none.</summary>
    public ValueTask<Workload?> FindSourceAsync(string network, IPAddress client, CancellationToken cancellationToken) =>
        mesh.Current.FindWorkload(network, client) is { } known ? ValueTask.FromResult<Workload?>(known)
        : demand is { IsOpen: true } ? AskSourceAsync(network, client, cancellationToken)
        : ValueTask.FromResult<Workload?>(null);

    /// <summary>Returns when the services of a workload are in the mesh, or cannot be had.</summary>
    public ValueTask LearnServicesAsync(Workload workload, CancellationToken cancellationToken) =>
        demand is { IsOpen: true } ? AskServicesAsync(demand, workload, cancellationToken) : ValueTask.CompletedTask;

    private async ValueTask<Workload?> AskSourceAsync(string network, IPAddress client, CancellationToken cancellationToken)
    {
        var address = client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client;
        await demand!.AskAsync($"{network}/{address}", Patience, cancellationToken).ConfigureAwait(false);
        return mesh.Current.FindWorkload(network, address);
    }

    private async ValueTask AskServicesAsync(IMeshDemand asked, Workload workload, CancellationToken cancellationToken)
    {
        var known = mesh.Current.Services;
        foreach (var (key, _) in workload.Services)
        {
            if (!known.ContainsKey(key) && await asked.AskAsync(key, Patience, cancellationToken).ConfigureAwait(false) == DemandAnswer.Unanswered)
            {
                return;
            }
        }
    }
}
