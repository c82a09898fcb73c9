using System.Net;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Admin.Server;

/// <summary>What the admin endpoint (15000) of every host answers; each host adds its own paths.</summary>
/// <param name="name">Name of the host, for its page.</param>
/// <param name="links">Lines on its page for the paths that it adds.</param>
/// <param name="dump">Writes <c>/config_dump</c>, piece by piece.</param>
/// <param name="own">Answers all other paths.</param>
/// <param name="loggers">What <c>/logging</c> shows and changes.</param>
/// <param name="shutdown">What <c>/quitquitquit</c> begins.</param>
/// <param name="meshes">The mesh, whose kinds and fields that nothing acts on are listed on the page.</param>
internal sealed class HostEndpoints(
    string name, string links, Func<Stream, CancellationToken, ValueTask> dump, AdminHandler own, HostLoggerFactory loggers, Shutdown shutdown, IMeshSnapshotProvider meshes)
{
    /// <summary>Asked before everything else, and may leave a path to the rest; null: nothing is.</summary>
    public Func<AdminRequest, AdminResponse?>? Before { get; init; }

    private byte[] Index() => Encoding.UTF8.GetBytes(
        $"""
        <!DOCTYPE html>
        <html><head><title>{name}</title></head><body><h1>{name}</h1><ul>
        {links}
        <li>POST /logging: shows and changes what is logged</li>
        <li>POST /quitquitquit: drains and ends this process</li>
        </ul>{NotSupported()}</body></html>

        """);

    /// <summary>Answers one request.</summary>
    public ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken) =>
        AdminGuard.Refusal(request) is { } refusal ? ValueTask.FromResult(AdminResponse.Text(403, refusal + "\n")) : RouteAsync(request, cancellationToken);

    /// <summary>What the configuration has and nothing acts on; nothing where there is none.</summary>
    private string NotSupported()
    {
        var uses = meshes.Current.Requests.Unsupported;
        if (uses.IsEmpty)
        {
            return "";
        }

        var items = uses.Select(use =>
            $"<li>{WebUtility.HtmlEncode($"{use.Kind} {use.Field}".TrimEnd())}: {use.Count}, the first {WebUtility.HtmlEncode($"{use.FirstObject} at {use.FirstPlace}")}</li>");
        return $"<h2>Known, not supported here</h2><ul>{string.Concat(items)}</ul>";
    }

    private ValueTask<AdminResponse> RouteAsync(AdminRequest request, CancellationToken cancellationToken) => Before?.Invoke(request) is { } answer ? ValueTask.FromResult(answer) : request.Path switch
    {
        "/" => ValueTask.FromResult(new AdminResponse(200, "text/html; charset=utf-8", Index())),
        "/config_dump" => ValueTask.FromResult(AdminResponse.Streamed("application/json", dump)),
        "/quitquitquit" => ValueTask.FromResult(CommonEndpoints.Quit(request, shutdown)),
        "/logging" => ValueTask.FromResult(CommonEndpoints.Logging(request, loggers)),
        _ => own(request, cancellationToken),
    };
}
