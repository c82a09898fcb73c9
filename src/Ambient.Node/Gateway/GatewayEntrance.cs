using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Gateway;

/// <summary>Requests come to an ingress gateway over plain TCP: nobody is authenticated, and the listener's port says where.</summary>
/// <param name="places">Compiled policies and routes, shared by the gateway's listeners.</param>
/// <param name="self">The gateway's own workload.</param>
/// <param name="address">Address and port of the listener as the Gateway declares it, whatever port is really bound.</param>
internal sealed class GatewayEntrance(RequestPlaces places, LocalWorkload self, IPEndPoint address) : IRequestEntrance
{
    /// <inheritdoc/>
    public HeaderRules Headers => GatewayHeaderRules.Instance;

    /// <inheritdoc/>
    public RequestArrival Arrive(object? connection) => Arrive((GatewayConnection)connection!);

    private RequestArrival Arrive(GatewayConnection connection) => new()
    {
        Place = places.Find(""),
        Identity = null,
        Source = connection.RemoteEndPoint,
        SourceText = connection.SourceText,
        Destination = address,
        Self = self.Current,
        IsIngress = true,
        Scheme = connection.IsTls ? "https" : "http",
        ClientCertificate = connection.ClientCertificate,
    };

    /// <inheritdoc/>
    public RequestPlace? Find(in RequestArrival arrival) => places.Find("");

    /// <summary>Compiles the place that all listeners of a gateway share.</summary>
    public static RequestPlaces PlacesOf(IMeshSnapshotProvider meshes, string gatewayKey) => new(
        meshes,
        (mesh, _, earlier) => mesh.Requests.Gateways.TryGetValue(gatewayKey, out var gateway)
            ? CompiledPlace.Of(mesh, null, earlier, (policies, routes) =>
                (RequestPolicies.ForGateway(mesh, gateway, policies), RequestRoutes.ForGateway(mesh, gateway, routes)), gateway)
            : null);
}
