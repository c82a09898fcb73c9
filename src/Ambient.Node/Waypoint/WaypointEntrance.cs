using Ambient.Hbone.AspNetCore;
using Ambient.Mesh;
using Ambient.Node.Capture;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Waypoint;

/// <summary>Requests come to a waypoint inside tunnels: the tunnel says who sent them, and what for.</summary>
internal sealed class WaypointEntrance(IMeshSnapshotProvider meshes, string gatewayKey, LocalWorkload self) : IRequestEntrance
{
    private readonly RequestPlaces _places = new(meshes, (mesh, key) => Compile(mesh, gatewayKey, key));

    /// <inheritdoc/>
    public HeaderRules Headers => WaypointHeaderRules.Instance;

    /// <inheritdoc/>
    public RequestArrival Arrive(HttpContext http)
    {
        var connection = (WaypointConnection)http.Features.Get<IHboneConnectionFeature>()!;
        return new RequestArrival
        {
            Place = _places.Find(connection.PlaceKey),
            Identity = connection.PeerIdentity,
            Source = connection.RemoteEndPoint,
            Destination = connection.Target.Address,
            Workload = connection.Target.Workload,
            Self = self.Current,
        };
    }

    /// <summary>Policies of the place that an opaque connection is for; null when it is gone.</summary>
    public RequestPlace? Find(WaypointDestination destination) => _places.Find(destination.Service?.Key ?? "");

    private static RequestPlace? Compile(MeshSnapshot mesh, string gatewayKey, string serviceKey)
    {
        if (!mesh.Requests.Gateways.TryGetValue(gatewayKey, out var gateway))
        {
            return null;
        }

        if (serviceKey.Length == 0)
        {
            return new RequestPlace(mesh, null, RequestPolicies.ForWaypoint(mesh, gateway, null), null);
        }

        return mesh.Services.TryGetValue(serviceKey, out var service)
            ? new RequestPlace(mesh, service, RequestPolicies.ForWaypoint(mesh, gateway, service), RequestRoutes.ForService(mesh, service))
            : null;
    }
}
