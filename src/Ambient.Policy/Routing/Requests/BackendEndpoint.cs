using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Policy.Routing.Requests;

/// <summary>An endpoint of a backend that requests may be sent to.</summary>
/// <param name="Workload">Workload.</param>
/// <param name="Address">
/// Its address, and the port on it; <see cref="NoAddress"/> of one that is known by its host name only. Of one that is reached through another network's
/// gateway it is the gateway's.
/// </param>
/// <param name="Rank">How near it is by what the service itself says of localities; larger is nearer.</param>
public readonly record struct BackendEndpoint(Workload Workload, IPEndPoint Address, int Rank)
{
    /// <summary>What is said of it as an endpoint of the port; null: the usual.</summary>
    public EndpointShare? Share { get; init; }

    /// <summary>What stands for the address of a workload that is known by its host name only: nothing is ever sent there.</summary>
    public static IPAddress NoAddress => IPAddress.None;

    /// <summary>
    /// The endpoints of a service port that can serve it, by the rules for connections (<see cref="EndpointBalancer"/>) but never through a waypoint that is
    /// not an endpoint itself, in the order of their uids. Who has no capacity is not among them.
    /// </summary>
    /// <param name="mesh">Mesh.</param>
    /// <param name="source">Who forwards; decides what is near.</param>
    /// <param name="service">Service.</param>
    /// <param name="port">Port of the service.</param>
    /// <param name="labels">Labels that they must have; empty: none.</param>
    /// <param name="subset">Subset that is asked for; null: all endpoints.</param>
    public static ImmutableArray<BackendEndpoint> All(
        MeshSnapshot mesh, Workload source, MeshService service, int port, ImmutableDictionary<string, string> labels, string? subset = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(labels);
        var asked = service.Vips.IsDefaultOrEmpty ? source.Addresses.IsDefaultOrEmpty ? IPAddress.Any : source.Addresses[0] : service.Vips[0].Address;
        var found = ImmutableArray.CreateBuilder<BackendEndpoint>();
        foreach (var endpoint in mesh.EndpointsOf(service))
        {
            var workload = endpoint.Workload;
            var share = ShareOf(workload, service.Key, port, subset);
            if ((share?.Weight ?? workload.Capacity) > 0
                && (labels.IsEmpty || (mesh.Requests.WorkloadLabels.TryGetValue(workload.Uid, out var own) && HasLabels(own, labels)))
                && EndpointBalancer.RankOf(source, service, endpoint, port) is { } rank
                && EndpointBalancer.ResolvePort(service, endpoint, port) is { } target
                && AddressOf(source, service, workload, target, asked) is { } address)
            {
                found.Add(new BackendEndpoint(workload, address, rank) { Share = share });
            }
        }

        return found.DrainToImmutable();
    }

    private static IPEndPoint? AddressOf(Workload source, MeshService service, Workload workload, int port, IPAddress asked)
    {
        if (workload.ServiceWaypoint is null && DestinationResolver.FirstHop(source, workload) is { } gateway)
        {
            return new IPEndPoint(gateway.Address?.Address ?? NoAddress, gateway.HboneMtlsPort);
        }

        var address = EndpointBalancer.ChooseAddress(workload, service, asked) ?? (workload.Addresses.IsDefaultOrEmpty && workload.Hostname.Length > 0 ? NoAddress : null);
        return address is null ? null : new IPEndPoint(address, port);
    }

    /// <summary>A candidate, with what is said of it as an endpoint of a port.</summary>
    internal static EndpointCandidate Judged(EndpointCandidate candidate, string service, int port, string? subset) =>
        candidate.Excluded is not null ? candidate : ShareOf(candidate.Workload, service, port, subset) switch
        {
            { IsHealthy: false } => candidate with { Excluded = "it is not healthy as an endpoint of this service" },
            { Weight: 0 } => candidate with { Excluded = "its weight is 0" },
            _ => candidate,
        };

    /// <summary>What is said of a workload as an endpoint of a port: of the subset, else of all of them.</summary>
    private static EndpointShare? ShareOf(Workload workload, string service, int port, string? subset)
    {
        if (workload.Shares.IsEmpty || !workload.Shares.TryGetValue(service, out var shares))
        {
            return null;
        }

        EndpointShare? ofAll = null;
        foreach (var share in shares)
        {
            if (share.Port == port || share.Port == 0)
            {
                if (share.Subset == subset)
                {
                    return share;
                }

                ofAll = share.Subset is null ? ofAll ?? share : ofAll;
            }
        }

        return ofAll;
    }

    internal static bool HasLabels(ImmutableDictionary<string, string> own, ImmutableDictionary<string, string> asked)
    {
        foreach (var (name, value) in asked)
        {
            if (own.GetValueOrDefault(name) != value)
            {
                return false;
            }
        }

        return true;
    }
}
