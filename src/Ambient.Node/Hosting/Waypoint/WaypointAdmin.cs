using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>The admin endpoint of a waypoint or gateway (15000).</summary>
internal static class WaypointAdmin
{
    private const string Links =
        """<li><a href="/config_dump">/config_dump</a>: what is served: Gateway, services, routes, policies, upstreams, certificates</li><li>/explain?src=namespace/pod&amp;dst=service:port&amp;path=/: what would happen to a request, and why</li><li><a href="/debug/connections">/debug/connections</a>: what is open</li><li><a href="/debug/policies">/debug/policies</a>: what layer 7 policies have decided, by policy</li>""";

    /// <summary>Makes it.</summary>
    public static HostEndpoints Create(WaypointNode node, IMeshSnapshotProvider meshes, SvidCache? svids, HostLoggerFactory loggers, Shutdown shutdown) =>
        new("waypoint", Links, async (output, cancellationToken) => await output.WriteAsync(new WaypointDump(node, meshes, svids).Write(), cancellationToken).ConfigureAwait(false), Debug(node), loggers, shutdown, meshes);

    private static AdminHandler Debug(WaypointNode node)
    {
        var debug = new DebugEndpoints(node.Connections, () => node.Policies?.ByPolicy ?? []);
        var explain = node.CreateExplain();
        return (request, _) => ValueTask.FromResult(request.Path == "/explain" ? explain.Answer(request) : debug.Answer(request));
    }
}
