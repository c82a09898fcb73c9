using System.Collections.Concurrent;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Waypoint;

/// <summary>Requests come to a waypoint inside tunnels: the tunnel says who sent them, and what for.</summary>
internal sealed class WaypointEntrance(IMeshSnapshotProvider meshes, string gatewayKey, LocalWorkload self) : IRequestEntrance
{
    private readonly RequestPlaces _places = new(meshes, (mesh, key, earlier) => Place(mesh, gatewayKey, self.Current, key, earlier));

    private StreamsOfMesh _streams = new(MeshSnapshot.Empty);

    /// <inheritdoc/>
    public HeaderRules Headers => WaypointHeaderRules.Instance;

    /// <inheritdoc/>
    public RequestArrival Arrive(object? connection) => Arrive((WaypointConnection)connection!);

    private RequestArrival Arrive(WaypointConnection connection)
    {
        return new RequestArrival
        {
            Place = Find(connection.Target),
            Identity = connection.PeerIdentity,
            Source = connection.RemoteEndPoint,
            Destination = connection.Target.Address,
            Target = connection.Target,
            Workload = connection.Target.Workload,
            Self = self.Current,
        };
    }

    /// <inheritdoc/>
    public RequestPlace? Find(in RequestArrival arrival) => Find((WaypointDestination)arrival.Target!);

    /// <summary>
    /// Policies and routes of what a tunnel is for. Null when it is gone, or stands behind another waypoint by now: open
    /// tunnels must not be a way around that one's policies.
    /// </summary>
    public RequestPlace? Find(WaypointDestination destination)
    {
        var place = _places.Find(destination.Service?.Key ?? "");
        return destination.Workload is not { } workload || place is null || IsBound(place.Mesh, workload) ? place : null;
    }

    /// <summary>TLSRoutes, TCPRoutes and VirtualServices' rules of a service, compiled anew only where something that they follow from has changed.</summary>
    public StreamRoutes StreamsOf(MeshSnapshot mesh, MeshService service)
    {
        var streams = Volatile.Read(ref _streams);
        if (!streams.HoldsFor(mesh))
        {
            // All at once: what nobody asks for any more would hold the configuration that it was compiled from for ever.
            streams = new StreamsOfMesh(mesh);
            Volatile.Write(ref _streams, streams);
        }

        return streams.ByService[service.Key] = StreamRoutes.ForService(mesh, service, self.Current?.Namespace, streams.ByService.GetValueOrDefault(service.Key));
    }

    /// <summary>Services whose routes are held.</summary>
    internal int Streams => Volatile.Read(ref _streams).ByService.Count;

    private bool IsBound(MeshSnapshot mesh, Workload then) =>
        self.Current is { } own && mesh.Workloads.TryGetValue(then.Uid, out var now)
        && (ReferenceEquals(now, then) || WaypointResolver.IsBound(mesh, own, now));

    private static CompiledPlace? Place(MeshSnapshot mesh, string gatewayKey, Workload? own, string serviceKey, CompiledPlace? earlier)
    {
        if (own is null || !mesh.Requests.Gateways.TryGetValue(gatewayKey, out var gateway))
        {
            return null;
        }

        if (serviceKey.Length == 0)
        {
            return CompiledPlace.Of(mesh, null, earlier, (policies, _) => (RequestPolicies.ForWaypoint(mesh, gateway, null, policies), null), gateway);
        }

        return mesh.Services.TryGetValue(serviceKey, out var service) && WaypointResolver.IsBound(mesh, own, service)
            ? CompiledPlace.Of(mesh, service, earlier, (policies, routes) =>
                (RequestPolicies.ForWaypoint(mesh, gateway, service, policies), RequestRoutes.ForService(mesh, service, gateway.Namespace, routes)), gateway)
            : null;
    }

    /// <summary>What was compiled for services, of one configuration.</summary>
    private sealed class StreamsOfMesh(MeshSnapshot mesh)
    {
        private readonly RequestConfiguration _requests = mesh.Requests;
        private readonly object _services = mesh.Services;

        public ConcurrentDictionary<string, StreamRoutes> ByService { get; } = new(StringComparer.Ordinal);

        public bool HoldsFor(MeshSnapshot other) => ReferenceEquals(_requests, other.Requests) && ReferenceEquals(_services, other.Services);
    }
}
