using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Inbound;

/// <summary>
/// Asks policy about inbound connections and tells, in the reference's words, what each policy had to say: at debug, or at info for
/// operators who try policies out (<c>AUTHZ_POLICY_INFO_LOGGING</c>). A connection whose lines nobody reads costs nothing more.
/// </summary>
internal sealed class InboundAuthorizer(ILogger logger, bool atInformation)
{
    private static readonly EventId s_decided = new(4100, "PolicyDecided");
    private readonly LogLevel _level = atInformation ? LogLevel.Information : LogLevel.Debug;

    /// <summary>May the connection reach the workload?</summary>
    public AuthorizationDecision Authorize(MeshSnapshot mesh, Workload workload, in ConnectionFacts connection)
    {
        var decision = ConnectionAuthorizer.Authorize(mesh, workload, connection);
        var notes = ConnectionAuthorizer.HasNotes(mesh, workload) && (logger.IsEnabled(_level) || logger.IsEnabled(LogLevel.Warning))
            ? ConnectionAuthorizer.Explain(mesh, workload, connection)
            : null;
        if (notes is not null)
        {
            foreach (var unknown in notes.UnknownPolicies)
            {
                Line(LogLevel.Debug, "unknown policy, skipped", unknown, workload, connection);
            }

            foreach (var policy in notes.DryRunDenies)
            {
                Line(_level, "dry-run: deny policy match", policy, workload, connection);
            }
        }

        if (decision.Reason == AuthorizationReason.DeniedByPolicy)
        {
            Line(_level, "deny policy match", decision.Policy, workload, connection);
            return decision;
        }

        if (notes is not null)
        {
            foreach (var policy in notes.DryRunAllows)
            {
                Line(_level, "dry-run: allow policy match", policy, workload, connection);
            }

            if (notes.DryRunNoneAllows)
            {
                Line(_level, "dry-run: no allow policies match", null, workload, connection);
            }
        }

        Line(
            _level,
            decision.Reason switch
            {
                AuthorizationReason.AllowedByPolicy => "allow policy match",
                AuthorizationReason.NoPolicy => "no allow policies, allow",
                _ => "no allow policies matched",
            },
            decision.Reason == AuthorizationReason.AllowedByPolicy ? decision.Policy : null,
            workload,
            connection);
        return decision;
    }

    private void Line(LogLevel level, string what, string? policy, Workload workload, in ConnectionFacts connection)
    {
        if (!logger.IsEnabled(level))
        {
            return;
        }

        var named = policy is null ? "" : $" policy={policy}";
        var line = $"{what}{named} src={connection.Source} identity={connection.Identity?.ToString() ?? "none"} dst={connection.Destination} workload={workload.Namespace}/{workload.Name}";
        logger.Log(level, s_decided, line, null, static (text, _) => text);
    }
}
