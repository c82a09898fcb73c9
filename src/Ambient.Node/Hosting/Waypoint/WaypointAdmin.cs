using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Envoy;
using Ambient.Node.Admin.Server;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>The admin endpoint of a waypoint or gateway (15000).</summary>
internal static class WaypointAdmin
{
    private const string Ours = "what is served: Gateway, services, routes, policies, upstreams, certificates";
    private const string Links =
        """<li>/explain?src=namespace/pod&amp;dst=service:port&amp;path=/: what would happen to a request, and why</li><li><a href="/debug/connections">/debug/connections</a>: what is open</li><li><a href="/debug/policies">/debug/policies</a>: what layer 7 policies have decided, by policy</li>""";

    /// <summary>
    /// Makes it. <c>/debug/config</c> is the dump in our own form, whatever configures the host; <c>/config_dump</c> is that too, but for a host that istiod configures
    /// as an Envoy, where it and the paths beside it are Envoy's.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="meshes">The mesh.</param>
    /// <param name="svids">Its certificates; null: an application's own.</param>
    /// <param name="envoy">What istiod configures; null: a folder does.</param>
    /// <param name="loggers">What <c>/logging</c> shows and changes.</param>
    /// <param name="shutdown">What <c>/quitquitquit</c> begins.</param>
    public static HostEndpoints Create(WaypointNode node, IMeshSnapshotProvider meshes, SvidCache? svids, EnvoyHost? envoy, HostLoggerFactory loggers, Shutdown shutdown)
    {
        async ValueTask DumpAsync(Stream output, CancellationToken cancellationToken) =>
            await output.WriteAsync(new WaypointDump(node, meshes, svids).Write(), cancellationToken).ConfigureAwait(false);

        var links = envoy is null ? $"""<li><a href="/config_dump">/config_dump</a>: {Ours}</li>""" : $"""{EnvoyEndpoints.Links}<li><a href="/debug/config">/debug/config</a>: {Ours}</li>""";
        return new HostEndpoints("waypoint", links + Links, DumpAsync, Debug(node, DumpAsync), loggers, shutdown, meshes)
        {
            Before = envoy is null ? null : request => EnvoyEndpoints.Answer(envoy, request),
        };
    }

    private static AdminHandler Debug(WaypointNode node, Func<Stream, CancellationToken, ValueTask> dump)
    {
        var debug = new DebugEndpoints(node.Connections, () => node.Policies?.ByPolicy ?? []);
        var explain = node.CreateExplain();
        return (request, _) => ValueTask.FromResult(request.Path switch
        {
            "/explain" => explain.Answer(request),
            "/debug/config" => AdminResponse.Streamed("application/json", dump),
            _ => debug.Answer(request),
        });
    }
}
