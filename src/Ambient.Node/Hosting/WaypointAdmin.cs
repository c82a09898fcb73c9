using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Diagnostics.Admin;
using Ambient.Node.Diagnostics.Logging;
using Ambient.Node.Lifetime;

namespace Ambient.Node.Hosting;

/// <summary>The admin endpoint of a waypoint or gateway (15000).</summary>
internal sealed class WaypointAdmin(WaypointNode node, IMeshSnapshotProvider meshes, SvidCache svids, HostLoggerFactory loggers, Shutdown shutdown)
{
    private const string Index =
        """
        <!DOCTYPE html>
        <html><head><title>waypoint</title></head><body><h1>waypoint</h1><ul>
        <li><a href="/config_dump">/config_dump</a>: what is served: Gateway, services, routes, policies, upstreams, certificates</li>
        <li>POST /logging: shows and changes what is logged</li>
        <li>POST /quitquitquit: drains and ends this process</li>
        </ul></body></html>

        """;

    private readonly WaypointDump _dump = new(node, meshes, svids);

    /// <summary>Answers one request.</summary>
    public ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(request.Path switch
    {
        "/" => new AdminResponse(200, "text/html; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(Index)),
        "/config_dump" => new AdminResponse(200, "application/json", _dump.Write()),
        "/quitquitquit" => CommonEndpoints.Quit(request, shutdown),
        "/logging" => CommonEndpoints.Logging(request, loggers),
        _ => AdminResponse.NotFound,
    });
}
