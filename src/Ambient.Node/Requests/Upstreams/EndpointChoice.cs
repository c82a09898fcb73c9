using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Where a try goes, and in which protocol (Istio's protocol selection, as in <c>AppProtocols</c>).</summary>
internal static class EndpointChoice
{
    /// <summary>An endpoint of a service port; null when there is none.</summary>
    public static UpstreamEndpoint? ForService(
        MeshSnapshot mesh, Workload self, MeshService service, int port, bool http2Client, IReadOnlyList<Workload> failed) =>
        BackendEndpoint.Choose(mesh, self, service, port, failed, Random.Shared) is { } endpoint
            ? new UpstreamEndpoint(endpoint.Workload, endpoint.Address, SpeaksHttp2(service, port, http2Client))
            : null;

    /// <summary>
    /// The waypoint of a service, for an ingress gateway that is told to go through it (<c>istio.io/ingress-use-waypoint</c>); null when
    /// it cannot be reached: never the endpoints behind its back.
    /// </summary>
    public static UpstreamEndpoint? ForWaypoint(MeshSnapshot mesh, Workload self, MeshService service, int port, bool http2Client)
    {
        if (service.Vips is not [var vip, ..])
        {
            return null;
        }

        var address = new IPEndPoint(vip.Address, port);
        var route = DestinationResolver.Resolve(mesh, self, address, Random.Shared);
        return route is { Error: null, ViaWaypoint: true, Protocol: ConnectionProtocol.Hbone, NextHopWorkload: { } waypoint }
            ? new UpstreamEndpoint(waypoint, address, SpeaksHttp2(service, port, http2Client), route)
            : null;
    }

    /// <summary>A workload itself.</summary>
    public static UpstreamEndpoint ForWorkload(Workload workload, IPEndPoint address, bool http2Client) => new(workload, address, http2Client);

    // What a port declares; where it declares nothing, what the client speaks.
    private static bool SpeaksHttp2(MeshService service, int port, bool http2Client)
    {
        foreach (var declared in service.Ports)
        {
            if (declared.Port == port)
            {
                return declared.AppProtocol switch
                {
                    AppProtocol.Http2 or AppProtocol.Grpc => true,
                    AppProtocol.Unknown => http2Client,
                    _ => false,
                };
            }
        }

        return http2Client;
    }
}
