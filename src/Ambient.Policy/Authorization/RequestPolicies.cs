using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The policies that apply to requests at one place, sorted for evaluation. Compiled once a snapshot: hold one per place
/// and ask it for every request.
/// </summary>
public sealed class RequestPolicies
{
    private RequestPolicies(RequestConfiguration configuration, bool trustsForwardedFor, IEnumerable<RequestAuthorizationPolicy> policies)
    {
        TrustsForwardedFor = trustsForwardedFor;
        var applying = policies.ToArray();
        AsksForServerName = applying.Any(policy => policy.Rules.Any(rule => rule.When.Any(condition => condition.Key == "connection.sni")));
        var ordered = applying
            .OrderBy(policy => policy.CreationTime)
            .ThenBy(policy => policy.Key, StringComparer.Ordinal)
            .Select(policy => new CompiledPolicy(policy, configuration))
            .ToArray();

        // A CUSTOM policy is asked even when it is marked as dry run: its authorizer may count on being asked.
        Custom = [.. ordered.Where(policy => policy.Action == PolicyAction.Custom)];
        Deny = [.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: false })];
        Allow = [.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: false })];
        Audit = [.. ordered.Where(policy => policy.Action == PolicyAction.Audit)];
        DryRunDeny = [.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: true })];
        DryRunAllow = [.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: true })];
    }

    /// <summary>Whether no policy applies at all, not even one that decides nothing.</summary>
    public bool IsEmpty => Custom.IsEmpty && Deny.IsEmpty && Allow.IsEmpty && !HasNotes;

    /// <summary>Whether policies that decide nothing (AUDIT, dry run) have anything to say.</summary>
    public bool HasNotes => !Audit.IsEmpty || !DryRunDeny.IsEmpty || !DryRunAllow.IsEmpty;

    /// <summary>Whether any policy asks for the server name of the client's TLS (<c>connection.sni</c>).</summary>
    public bool AsksForServerName { get; }

    internal bool TrustsForwardedFor { get; }

    internal ImmutableArray<CompiledPolicy> Custom { get; }

    internal ImmutableArray<CompiledPolicy> Deny { get; }

    internal ImmutableArray<CompiledPolicy> Allow { get; }

    internal ImmutableArray<CompiledPolicy> Audit { get; }

    internal ImmutableArray<CompiledPolicy> DryRunDeny { get; }

    internal ImmutableArray<CompiledPolicy> DryRunAllow { get; }

    /// <summary>
    /// Policies for requests through the waypoint <paramref name="gateway"/>: its own, those of its class, and those of
    /// <paramref name="service"/>, unless the request is for a workload (null). Policies of a namespace or of pods do not
    /// apply at a waypoint (reference/waypoint.md 3.1).
    /// </summary>
    public static RequestPolicies ForWaypoint(MeshSnapshot mesh, Gateway gateway, MeshService? service)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return new(mesh.Requests, trustsForwardedFor: true, mesh.Requests.AuthorizationPolicies.Values.Where(policy =>
            policy.Targets.Any(target =>
                IsGateway(policy, target, gateway) || IsClassOf(mesh.Requests, policy, target, gateway) || IsService(policy, target, service))));
    }

    /// <summary>
    /// Policies for requests through an ingress gateway: its own, those that select its pods, and those of its namespace
    /// and of the mesh.
    /// </summary>
    public static RequestPolicies ForGateway(MeshSnapshot mesh, Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return new(mesh.Requests, trustsForwardedFor: false, mesh.Requests.AuthorizationPolicies.Values.Where(policy =>
            policy.Targets.IsDefaultOrEmpty
                ? (policy.Namespace == gateway.Namespace || policy.Namespace == mesh.Requests.RootNamespace) && Selects(policy, gateway)
                : policy.Targets.Any(target => IsGateway(policy, target, gateway))));
    }

    /// <summary>
    /// Policies for requests that <paramref name="workload"/> answers itself: those of the mesh and of its namespace, and those that it lists
    /// because they select it. What is attached to services or gateways is enforced there.
    /// </summary>
    public static RequestPolicies ForWorkload(MeshSnapshot mesh, Workload workload)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(workload);
        return new(mesh.Requests, trustsForwardedFor: false, mesh.Requests.AuthorizationPolicies.Values.Where(policy =>
            policy.Targets.IsDefaultOrEmpty
            && (policy.Selector is null
                ? policy.Namespace == workload.Namespace || policy.Namespace == mesh.Requests.RootNamespace
                : workload.AuthorizationPolicies.Contains(policy.Key))));
    }

    private static bool Selects(RequestAuthorizationPolicy policy, Gateway gateway) =>
        policy.Selector is null
        || policy.Selector.All(wanted => gateway.PodLabels.TryGetValue(wanted.Key, out var value) && value == wanted.Value);

    private static bool IsGateway(RequestAuthorizationPolicy policy, ObjectReference target, Gateway gateway) =>
        target is { Group: "gateway.networking.k8s.io", Kind: "Gateway" }
        && target.Name == gateway.Name && policy.Namespace == gateway.Namespace && target.Namespace == gateway.Namespace;

    private static bool IsClassOf(RequestConfiguration configuration, RequestAuthorizationPolicy policy, ObjectReference target, Gateway gateway) =>
        target is { Group: "gateway.networking.k8s.io", Kind: "GatewayClass" }
        && target.Name == gateway.ClassName && policy.Namespace == configuration.RootNamespace;

    private static bool IsService(RequestAuthorizationPolicy policy, ObjectReference target, MeshService? service)
    {
        if (service is null || target.Name != service.Name || policy.Namespace != service.Namespace || target.Namespace != service.Namespace)
        {
            return false;
        }

        var isKubernetes = service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal);
        return isKubernetes
            ? target is { Group: "" or "core", Kind: "Service" }
            : target is { Group: "networking.istio.io", Kind: "ServiceEntry" };
    }
}
