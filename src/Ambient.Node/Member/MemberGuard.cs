using System.Net;
using Ambient.Hbone.AspNetCore;
using Ambient.Policy.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Member;

/// <summary>
/// First in the application's pipeline: the workload's policies, asked of the newest snapshot for every request, and the
/// caller as <c>HttpContext.User</c>. Requests that came by another of Kestrel's endpoints have no identity, and the policies
/// decide about them as a ztunnel does about plain text.
/// </summary>
internal sealed partial class MemberGuard(MeshMember member, ILogger<MemberGuard> logger) : IStartupFilter
{
    /// <inheritdoc/>
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(Guard);
        next(app);
    };

    private Task Guard(HttpContext http, RequestDelegate next)
    {
        var connection = http.Features.Get<IHboneConnectionFeature>() as MemberConnection;
        if (member.Self.Current is not { } workload)
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        }

        var facts = connection is null
            ? new ConnectionFacts(EndPoint(http.Connection.RemoteIpAddress, http.Connection.RemotePort), EndPoint(http.Connection.LocalIpAddress, http.Connection.LocalPort), null)
            : new ConnectionFacts(connection.RemoteEndPoint, connection.Destination, connection.PeerIdentity);
        var decision = ConnectionAuthorizer.Authorize(member.Mesh, workload, facts);
        if (!decision.IsAllowed)
        {
            // As at a ztunnel: the connection ends, without a word.
            LogDenied(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", http.Request.Method, http.Request.Path, decision.ToString());
            http.Abort();
            return Task.CompletedTask;
        }

        if (connection is not null)
        {
            http.User = connection.User;
        }

        return next(http);
    }

    private static IPEndPoint EndPoint(IPAddress? address, int port) => address switch
    {
        null => new IPEndPoint(IPAddress.None, 0),
        { IsIPv4MappedToIPv6: true } => new IPEndPoint(address.MapToIPv4(), port),
        _ => new IPEndPoint(address, port),
    };

    [LoggerMessage(1, LogLevel.Warning, "request by {Peer} ({Identity}) for {Method} {Path} denied, connection closed: {Reason}")]
    private static partial void LogDenied(ILogger logger, IPEndPoint peer, string identity, string method, string path, string reason);
}
