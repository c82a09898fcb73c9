using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Admin.Server;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>The admin endpoint of a ztunnel (15000).</summary>
internal static class ZtunnelAdmin
{
    private const string Links =
        """
        <li><a href="/config_dump">/config_dump</a>: what this ztunnel knows: workloads, services, policies, certificates, settings</li>
        <li>/explain?src=namespace/pod&amp;dst=service:port: what would happen to a connection, and why</li>
        <li><a href="/debug/connections">/debug/connections</a>: what is open</li>
        <li><a href="/debug/memory">/debug/memory</a>: where the memory is</li>
        """;

    /// <summary>Makes it.</summary>
    public static HostEndpoints Create(
        ZtunnelOptions options, IMeshSnapshotProvider mesh, IMeshDemand? demand, SvidCache? svids, ConnectionTable connections, Func<IReadOnlyList<PodState>?> pods,
        HostLoggerFactory loggers, Shutdown shutdown)
    {
        var debug = new DebugEndpoints(connections);
        var names = new NameRules(options.Host.ClusterDomain, null, options.PreferredServiceNamespace, options.Host.IPv6Enabled, options.Host.Manifests is not null);
        var explain = new ExplainEndpoint(mesh, demand, options.Host.Network, names);
        return new HostEndpoints("ztunnel", Links, new ConfigDump(options, mesh, svids, connections, pods).WriteAsync, Own, loggers, shutdown, mesh);

        ValueTask<AdminResponse> Own(AdminRequest request, CancellationToken cancellationToken) => request.Path switch
        {
            "/explain" => explain.AnswerAsync(request, cancellationToken),
            _ when request.Path.StartsWith("/debug/", StringComparison.Ordinal) => ValueTask.FromResult(debug.Answer(request)),
            _ => ValueTask.FromResult(AdminResponse.NotFound),
        };
    }
}
