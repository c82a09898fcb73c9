using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The policies that apply to requests at one place, sorted for evaluation. Hold one per place, ask it for every request, and give it
/// back when the mesh has changed: only policies that are new are compiled then.
/// </summary>
public sealed class RequestPolicies
{
    private readonly CompiledPolicy[] _all;
    private readonly string _trustDomain;
    private readonly ImmutableArray<string> _trustDomainAliases;

    private RequestPolicies(
        RequestConfiguration configuration, bool trustsForwardedFor, CompiledPolicy[] ordered, ImmutableArray<RequestAuthentication> authentications, TokenRules tokens)
    {
        Tokens = tokens;
        Authentications = authentications;
        _all = ordered;
        _trustDomain = configuration.TrustDomain;
        _trustDomainAliases = configuration.TrustDomainAliases;
        TrustsForwardedFor = trustsForwardedFor;
        AsksForServerName = ordered.Any(policy => policy.Source.Rules.Any(rule => rule.When.Any(condition => condition.Key == "connection.sni")));

        // A CUSTOM policy is asked even when it is marked as dry run: its authorizer may count on being asked.
        Custom = [.. ordered.Where(policy => policy.Action == PolicyAction.Custom)];
        Deny = [.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: false })];
        Allow = [.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: false })];
        Audit = [.. ordered.Where(policy => policy.Action == PolicyAction.Audit)];
        DryRunDeny = [.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: true })];
        DryRunAllow = [.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: true })];
    }

    /// <summary>Whether no policy applies at all, not even one that decides nothing.</summary>
    public bool IsEmpty => Tokens.IsEmpty && Custom.IsEmpty && Deny.IsEmpty && Allow.IsEmpty && !HasNotes;

    /// <summary>Whether policies that decide nothing (AUDIT, dry run) have anything to say.</summary>
    public bool HasNotes => !Audit.IsEmpty || !DryRunDeny.IsEmpty || !DryRunAllow.IsEmpty;

    /// <summary>Whether any policy asks for the server name of the client's TLS (<c>connection.sni</c>).</summary>
    public bool AsksForServerName { get; }

    internal bool TrustsForwardedFor { get; }

    /// <summary>Rules of the tokens that requests may carry.</summary>
    public TokenRules Tokens { get; }

    /// <summary>What <see cref="Tokens"/> was compiled from.</summary>
    private ImmutableArray<RequestAuthentication> Authentications { get; }

    /// <summary>Every policy, the oldest first.</summary>
    internal ReadOnlySpan<CompiledPolicy> All => _all;

    internal ImmutableArray<CompiledPolicy> Custom { get; }

    internal ImmutableArray<CompiledPolicy> Deny { get; }

    internal ImmutableArray<CompiledPolicy> Allow { get; }

    internal ImmutableArray<CompiledPolicy> Audit { get; }

    internal ImmutableArray<CompiledPolicy> DryRunDeny { get; }

    internal ImmutableArray<CompiledPolicy> DryRunAllow { get; }

    /// <summary>
    /// Policies for requests through the waypoint <paramref name="gateway"/>: its own, those of its class, and those of
    /// <paramref name="service"/>, unless the request is for a workload (null). Policies of a namespace or of pods do not
    /// apply at a waypoint.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The waypoint.</param>
    /// <param name="service">The service that requests are for, or null.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when the same policies apply, and else a source of what is compiled already.</param>
    public static RequestPolicies ForWaypoint(MeshSnapshot mesh, Gateway gateway, MeshService? service, RequestPolicies? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return Compile(
            mesh.Requests, trustsForwardedFor: true, earlier, policy => Applies(policy.Namespace, policy.Targets), authentication => Applies(authentication.Namespace, authentication.Targets));

        bool Applies(string ns, ImmutableArray<ObjectReference> targets) => targets.Any(target =>
            IsGateway(ns, target, gateway) || IsClassOf(mesh.Requests, ns, target, gateway) || IsService(ns, target, service));
    }

    /// <summary>
    /// Policies for requests through an ingress gateway: its own, those that select its pods, and those of its namespace
    /// and of the mesh.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when the same policies apply, and else a source of what is compiled already.</param>
    public static RequestPolicies ForGateway(MeshSnapshot mesh, Gateway gateway, RequestPolicies? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return Compile(
            mesh.Requests,
            trustsForwardedFor: false,
            earlier,
            policy => Applies(policy.Namespace, policy.Targets, policy.Selector),
            authentication => Applies(authentication.Namespace, authentication.Targets, authentication.Selector));

        bool Applies(string ns, ImmutableArray<ObjectReference> targets, ImmutableDictionary<string, string>? selector) => targets.IsDefaultOrEmpty
            ? (ns == gateway.Namespace || ns == mesh.Requests.RootNamespace) && Selects(selector, gateway)
            : targets.Any(target => IsGateway(ns, target, gateway));
    }

    /// <summary>
    /// Policies for requests that <paramref name="workload"/> answers itself: those of the mesh and of its namespace, and those that it lists
    /// because they select it. What is attached to services or gateways is enforced there.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="workload">The workload.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when the same policies apply, and else a source of what is compiled already.</param>
    public static RequestPolicies ForWorkload(MeshSnapshot mesh, Workload workload, RequestPolicies? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(workload);
        var requests = mesh.Requests;
        var selection = requests.Selections.GetValueOrDefault(workload.Uid);

        // Where the labels of the workload are not known, what restricts counts as selecting it.
        return Compile(
            requests,
            trustsForwardedFor: false,
            earlier,
            policy => policy.Targets.IsDefaultOrEmpty && (policy.Selector is null
                ? IsInReach(policy.Namespace)
                : workload.AuthorizationPolicies.Contains(policy.Key)
                    || (policy.IsOfRequestsAlone && IsInReach(policy.Namespace) && (selection?.AuthorizationPolicies.Contains(policy.Key) ?? policy.Action == PolicyAction.Custom))),
            authentication => authentication.Targets.IsDefaultOrEmpty && IsInReach(authentication.Namespace)
                && (authentication.Selector is null || (selection?.RequestAuthentications.Contains(authentication.Key) ?? true)));

        bool IsInReach(string ns) => ns == workload.Namespace || ns == requests.RootNamespace;
    }

    private static RequestPolicies Compile(
        RequestConfiguration configuration,
        bool trustsForwardedFor,
        RequestPolicies? earlier,
        Func<RequestAuthorizationPolicy, bool> applies,
        Func<RequestAuthentication, bool> looks)
    {
        var known = earlier is not null && earlier.TrustsForwardedFor == trustsForwardedFor && earlier._trustDomain == configuration.TrustDomain
            && earlier._trustDomainAliases.AsSpan().SequenceEqual(configuration.TrustDomainAliases.AsSpan())
                ? earlier._all
                : [];
        var compiled = new Dictionary<object, CompiledPolicy>(known.Length, ReferenceEqualityComparer.Instance);
        foreach (var policy in known)
        {
            compiled[policy.Source] = policy;
        }

        CompiledPolicy[] ordered = [.. configuration.AuthorizationPolicies.Values
            .Where(applies)
            .OrderBy(policy => policy.CreationTime)
            .ThenBy(policy => policy.Key, StringComparer.Ordinal)
            .Select(policy => compiled.GetValueOrDefault(policy) ?? new CompiledPolicy(policy, configuration))];
        ImmutableArray<RequestAuthentication> authentications = configuration.RequestAuthentications.IsEmpty
            ? []
            : [.. configuration.RequestAuthentications.Values.Where(authentication => !authentication.Rules.IsEmpty && looks(authentication)).OrderBy(authentication => authentication.Key, StringComparer.Ordinal)];
        var sameTokens = earlier is not null && authentications.AsSpan().SequenceEqual(earlier.Authentications.AsSpan());
        return ReferenceEquals(known, earlier?._all) && ordered.AsSpan().SequenceEqual(known) && sameTokens
            ? earlier!
            : new RequestPolicies(configuration, trustsForwardedFor, ordered, authentications, sameTokens ? earlier!.Tokens : TokenRules.Of(authentications));
    }

    private static bool Selects(ImmutableDictionary<string, string>? selector, Gateway gateway) =>
        selector is null || selector.All(wanted => gateway.PodLabels.TryGetValue(wanted.Key, out var value) && value == wanted.Value);

    private static bool IsGateway(string ns, ObjectReference target, Gateway gateway) =>
        target is { Group: "gateway.networking.k8s.io", Kind: "Gateway" }
        && target.Name == gateway.Name && ns == gateway.Namespace && target.Namespace == gateway.Namespace;

    private static bool IsClassOf(RequestConfiguration configuration, string ns, ObjectReference target, Gateway gateway) =>
        target is { Group: "gateway.networking.k8s.io", Kind: "GatewayClass" }
        && target.Name == gateway.ClassName && ns == configuration.RootNamespace;

    private static bool IsService(string ns, ObjectReference target, MeshService? service)
    {
        if (service is null || target.Name != service.Name || ns != service.Namespace || target.Namespace != service.Namespace)
        {
            return false;
        }

        var isKubernetes = service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal);
        return isKubernetes
            ? target is { Group: "" or "core", Kind: "Service" }
            : target is { Group: "networking.istio.io", Kind: "ServiceEntry" };
    }
}
