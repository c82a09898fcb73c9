using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>
/// What an endpoint is asked for that is not dialled itself, but through another network's gateway or through the waypoint of its service. Where to dial is
/// decided for each connection: there may be several gateways.
/// </summary>
/// <param name="Service">Key of the service.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Authority">What is asked for.</param>
/// <param name="IsTwofold">Whether it is a tunnel within a tunnel.</param>
internal sealed record EndpointWay(string Service, int Port, string Authority, bool IsTwofold)
{
    /// <summary>The way to an endpoint; null: it is dialled itself.</summary>
    public static EndpointWay? Of(Workload self, MeshService service, int port, Workload endpoint) =>
        DestinationResolver.FirstHop(self, endpoint) is null ? null
        : endpoint.ServiceWaypoint is null ? new EndpointWay(service.Key, port, FormattableString.Invariant($"{service.Hostname}:{port}"), IsTwofold: true)
        : new EndpointWay(service.Key, port, FormattableString.Invariant($"{endpoint.Addresses[0]}:{port}"), IsTwofold: false);
}
