using System.Net;
using Ambient.Hbone.AspNetCore;
using Ambient.Node.Connections;
using Ambient.Node.Membership;
using Ambient.Node.Requests;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// First in the application's pipeline: the workload's policies, asked of the newest snapshot for every request, and the
/// caller as <c>HttpContext.User</c>. Requests that came by another of Kestrel's endpoints have no identity, and the policies
/// decide about them as a ztunnel does about plain text.
/// </summary>
internal sealed partial class MemberGuard(
    MeshMember member, NodeRole role, IOptions<AmbientMeshOptions> options, IOptions<AuthenticationOptions> authentication, ILogger<MemberGuard> logger) : IStartupFilter
{
    private readonly HashSet<string> _probePaths = new(options.Value.ProbePaths, StringComparer.Ordinal);
    private readonly HashSet<int> _probePorts = [.. options.Value.ProbePorts];
    private readonly bool _meshIsDefault = MeshAuthenticationDefaults.IsMesh(authentication.Value);

    /// <inheritdoc/>
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => !role.IsMember ? next : app =>
    {
        app.Use(Guard);
        next(app);
    };

    private Task Guard(HttpContext http, RequestDelegate next)
    {
        var connection = http.Features.Get<IHboneConnectionFeature>() as MemberConnection;
        if (connection is null && IsProbe(http))
        {
            return next(http);
        }

        if (member.Self.Current is null)
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        }

        var facts = connection is null
            ? new ConnectionFacts(EndPoint(http.Connection.RemoteIpAddress, http.Connection.RemotePort), EndPoint(http.Connection.LocalIpAddress, http.Connection.LocalPort), null)
            : new ConnectionFacts(connection.RemoteEndPoint, connection.Destination, connection.PeerIdentity);
        var request = new MemberRequest(member.Policies, http, facts);
        if (request.AuthorizeConnection() is { IsAllowed: false } decision)
        {
            // As at a ztunnel: the connection ends, without a word.
            LogDenied(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", http.Request.Method, http.Request.Path, decision.ToString());
            http.Abort();
            return Task.CompletedTask;
        }

        if (request.Fault is { } fault)
        {
            LogRefused(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", 400, fault);
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return Task.CompletedTask;
        }

        // With a scheme of the application's own, its token is what counts: a caller without one must not pass for authenticated.
        if (connection is not null && _meshIsDefault)
        {
            http.User = connection.User;
        }

        return AnswerAsync(http, request, facts, next);
    }

    /// <summary>What the application's options leave open to whoever asks: never inside a tunnel, where the caller is known.</summary>
    private bool IsProbe(HttpContext http) =>
        _probePorts.Contains(http.Connection.LocalPort)
        || (_probePaths.Contains(http.Request.Path.Value ?? "") && (HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method)));

    /// <summary>Registered before it is authorized, so that a change of policy finds it, and ended when one would not let it in any more.</summary>
    private async Task AnswerAsync(HttpContext http, MemberRequest request, ConnectionFacts facts, RequestDelegate next)
    {
        var open = new OpenRequest(member.Connections, request);
        open.Begin(http.Abort);
        try
        {
            if (await AskAsync(http, request, facts).ConfigureAwait(false) is { } denied)
            {
                LogRefused(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", denied.Status, denied.Reason);
                await MemberReply.RefuseAsync(http, denied).ConfigureAwait(false);
                return;
            }

            if (await AuthenticateAsync(http, request, facts).ConfigureAwait(false) is { IsAllowed: false } refused)
            {
                LogRefused(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", refused.Status.HttpStatus(), refused.ToString());
                await MemberReply.RefuseAsync(http, refused).ConfigureAwait(false);
                return;
            }

            if (logger.IsEnabled(LogLevel.Debug))
            {
                foreach (var note in request.Notes())
                {
                    LogNoted(logger, note.Text, note.Policy ?? "none", facts.Source, facts.Identity?.ToString() ?? "none", facts.Destination);
                }
            }

            var decision = request.Authorize();
            if (decision.IsAllowed && open.Admit(member.Meshes))
            {
                await next(http).ConfigureAwait(false);
                return;
            }

            LogRefused(
                logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", StatusCodes.Status403Forbidden, decision.IsAllowed ? open.EndReason ?? "policies changed" : decision.ToString());
            await MemberReply.DenyAsync(http).ConfigureAwait(false);
        }
        finally
        {
            if (open.EndedBy != ConnectionEnd.None)
            {
                LogEnded(logger, facts.Source, facts.Identity?.ToString() ?? "not authenticated", open.EndReason ?? open.EndedBy.ToString());
            }

            open.Close();
        }
    }

    /// <summary>Asks the external authorizer, where there is one to ask.</summary>
    private ValueTask<MemberRefusal?> AskAsync(HttpContext http, MemberRequest request, ConnectionFacts facts)
    {
        if (!member.Policies.AsksAuthorizer)
        {
            return new((MemberRefusal?)null);
        }

        // Without a workload there are no policies, and nobody would be let in anyway.
        return member.Self.Current is not { } self
            ? new(new MemberRefusal(StatusCodes.Status503ServiceUnavailable, "this workload is no longer in the mesh"))
            : new MemberCheck(member.Authorizers, member.Mesh, self, (name, letsIn, reason) => LogAuthorizerFailed(logger, name, reason, letsIn ? "let in all the same (failOpen)" : "refused"), member.Time)
                .AskAsync(http, request, facts);
    }

    /// <summary>As a waypoint does it: what rules write is taken out, tokens are verified, and what a valid one says goes into headers.</summary>
    private async ValueTask<AuthenticationDecision> AuthenticateAsync(HttpContext http, MemberRequest request, ConnectionFacts facts)
    {
        var rules = member.Policies.Current?.Tokens ?? TokenRules.None;
        if (rules.IsEmpty)
        {
            return AuthenticationDecision.NoToken;
        }

        foreach (var header in rules.OutputHeaders)
        {
            http.Request.Headers.Remove(header);
        }

        var decision = AuthenticationDecision.NoToken;
        var found = request.FindTokens(rules);
        if (!found.IsEmpty && !member.Tokens.TryDecide(rules, found, out decision))
        {
            decision = await member.Tokens.DecideAsync(rules, found, facts.Source.Address).ConfigureAwait(false);
        }

        if (decision.IsAllowed)
        {
            request.Admit(http, rules, found, decision);
        }

        return decision;
    }

    private static IPEndPoint EndPoint(IPAddress? address, int port) => address switch
    {
        null => new IPEndPoint(IPAddress.None, 0),
        { IsIPv4MappedToIPv6: true } => new IPEndPoint(address.MapToIPv4(), port),
        _ => new IPEndPoint(address, port),
    };

    [LoggerMessage(5700, LogLevel.Warning, "request by {Peer} ({Identity}) for {Method} {Path} denied, connection closed: {Reason}")]
    private static partial void LogDenied(ILogger logger, IPEndPoint peer, string identity, string method, string path, string reason);

    [LoggerMessage(5701, LogLevel.Warning, "request by {Peer} ({Identity}) answered with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, IPEndPoint peer, string identity, int status, string reason);

    [LoggerMessage(5704, LogLevel.Warning, "external authorizer {Authorizer} failed: {Reason}; the request is {Consequence}")]
    private static partial void LogAuthorizerFailed(ILogger logger, string authorizer, string reason, string consequence);

    [LoggerMessage(5703, LogLevel.Debug, "{Note} policy={Policy} src={Source} identity={Identity} dst={Destination}")]
    private static partial void LogNoted(ILogger logger, string note, string policy, IPEndPoint source, string identity, IPEndPoint destination);

    [LoggerMessage(5702, LogLevel.Warning, "request by {Peer} ({Identity}) ended because policies changed: {Reason}")]
    private static partial void LogEnded(ILogger logger, IPEndPoint peer, string identity, string reason);
}
