using Ambient.Mesh;
using Wire = Ambient.Node.Protos.Security;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>Policies of the wire as the mesh model (istio/istio, <c>pkg/workloadapi/security/authorization.proto</c>).</summary>
internal static class AuthorizationReader
{
    /// <summary>A policy.</summary>
    /// <exception cref="ResourceException">A field has no meaning here.</exception>
    public static AuthorizationPolicy Read(Wire.Authorization wire)
    {
        if (wire.Name.Length == 0)
        {
            throw new ResourceException("name: missing");
        }

        var deny = wire.Action switch
        {
            Wire.Action.Allow => false,
            Wire.Action.Deny => true,
            var other => throw new ResourceException($"action: {other} is not known to this version"),
        };
        return new AuthorizationPolicy
        {
            Name = wire.Name,
            Namespace = wire.Namespace,
            Scope = wire.Scope switch
            {
                Wire.Scope.Global => PolicyScope.Global,
                Wire.Scope.Namespace => PolicyScope.Namespace,
                Wire.Scope.WorkloadSelector => PolicyScope.WorkloadSelector,
                var other => throw new ResourceException($"scope: {other} is not known to this version"),
            },
            Action = deny ? PolicyAction.Deny : PolicyAction.Allow,
            DryRun = wire.DryRun,
            Rules = [.. wire.Rules.Select(rule => new PolicyRule(
                [.. rule.Clauses.Select(clause => new PolicyClause([.. clause.Matches.Select(match => new MatchReader(match, deny).Read())]))]))],
        };
    }
}
