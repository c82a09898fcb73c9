using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What the waypoint <c>inner</c> of namespace <c>ns</c> decides on requests for its services, by a state of the mesh.</summary>
internal static class WaypointDecisions
{
    /// <summary>Where a request goes.</summary>
    public static RequestRoute RouteOf(this MeshSnapshot mesh, string host, string path = "/", int port = 80, string? service = null) =>
        RequestRoutes.ForService(mesh, mesh.Services[$"ns/{service ?? host}"], "ns").Route(new RouteFacts(port, host, "GET", path, "", static _ => null), Random.Shared);

    /// <summary>Whether policies let a caller's request in.</summary>
    public static bool IsAllowed(this MeshSnapshot mesh, string host, string serviceAccount, int port = 80)
    {
        var policies = RequestPolicies.ForWaypoint(mesh, mesh.Requests.Gateways["ns/inner"], mesh.Services[$"ns/{host}"]);
        return RequestAuthorizer.Authorize(policies, new RequestFacts
        {
            Identity = SpiffeId.ForServiceAccount("cluster.local", "ns", serviceAccount),
            Source = new IPEndPoint(IPAddress.Loopback, 1),
            Destination = new IPEndPoint(IPAddress.Loopback, port),
            Method = "GET",
            Host = host,
            Path = "/",
            Header = static _ => null,
        }).IsAllowed;
    }
}
