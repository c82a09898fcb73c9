using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Diagnostics.Admin;
using Ambient.Node.Diagnostics.Explain;
using Ambient.Node.Diagnostics.Logging;
using Ambient.Node.Discovery;
using Ambient.Node.Lifetime;

namespace Ambient.Node.Hosting;

/// <summary>The admin endpoint of a ztunnel (15000).</summary>
internal sealed class ZtunnelAdmin(
    ZtunnelOptions options, IMeshSnapshotProvider mesh, IMeshDemand? demand, SvidCache svids, ConnectionTable connections, Func<IReadOnlyList<PodState>?> pods, HostLoggerFactory loggers, Shutdown shutdown)
{
    private const string Index =
        """
        <!DOCTYPE html>
        <html><head><title>ztunnel</title></head><body><h1>ztunnel</h1><ul>
        <li><a href="/config_dump">/config_dump</a>: what this ztunnel knows: workloads, services, policies, certificates, settings</li>
        <li>/explain?src=namespace/pod&amp;dst=service:port: what would happen to a connection, and why</li>
        <li><a href="/debug/connections">/debug/connections</a>: what is open</li>
        <li><a href="/debug/memory">/debug/memory</a>: where the memory is</li>
        <li>POST /logging: shows and changes what is logged</li>
        <li>POST /quitquitquit: drains and ends this process</li>
        </ul></body></html>

        """;

    private readonly DebugEndpoints _debug = new(connections);
    private readonly ConfigDump _dump = new(options, mesh, svids, connections, pods);
    private readonly ExplainEndpoint _explain = new(
        mesh, demand, options.Host.Network, new NameRules(options.Host.ClusterDomain, null, options.PreferredServiceNamespace, options.Host.IPv6Enabled));

    /// <summary>Answers one request.</summary>
    public ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken) => request.Path switch
    {
        "/" => ValueTask.FromResult(new AdminResponse(200, "text/html; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(Index))),
        "/config_dump" => ValueTask.FromResult(new AdminResponse(200, "application/json", _dump.Write())),
        "/explain" => _explain.AnswerAsync(request, cancellationToken),
        "/quitquitquit" => ValueTask.FromResult(CommonEndpoints.Quit(request, shutdown)),
        _ when request.Path.StartsWith("/debug/", StringComparison.Ordinal) => ValueTask.FromResult(_debug.Answer(request)),
        "/logging" => ValueTask.FromResult(CommonEndpoints.Logging(request, loggers)),
        _ => ValueTask.FromResult(AdminResponse.NotFound),
    };
}
