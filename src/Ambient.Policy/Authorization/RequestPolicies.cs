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
        MeshSnapshot mesh, int forwardedHops, CompiledPolicy[] ordered, ImmutableArray<RequestAuthentication> authentications, TokenRules tokens)
    {
        Tokens = tokens;
        Authentications = authentications;
        _all = ordered;
        _trustDomain = mesh.Requests.TrustDomain;
        _trustDomainAliases = mesh.Requests.TrustDomainAliases;
        ForwardedHops = forwardedHops;
        AsksForServerName = ordered.Any(policy => policy.Source.Rules.Any(rule => rule.When.Any(condition => condition.Key == "connection.sni")));

        // A CUSTOM policy is asked even when it is marked as dry run: its authorizer may count on being asked.
        Custom = new([.. ordered.Where(policy => policy.Action == PolicyAction.Custom)]);
        Authorizer = AuthorizerOf(Custom, mesh);
        Deny = new([.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: false })]);
        Allow = new([.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: false })]);
        Audit = new([.. ordered.Where(policy => policy.Action == PolicyAction.Audit)]);
        DryRunDeny = new([.. ordered.Where(policy => policy is { Action: PolicyAction.Deny, DryRun: true })]);
        DryRunAllow = new([.. ordered.Where(policy => policy is { Action: PolicyAction.Allow, DryRun: true })]);
    }

    /// <summary>Whether no policy applies at all, not even one that decides nothing.</summary>
    public bool IsEmpty => Tokens.IsEmpty && Custom.IsEmpty && Deny.IsEmpty && Allow.IsEmpty && !HasNotes;

    /// <summary>Whether policies that decide nothing (AUDIT, dry run) have anything to say.</summary>
    public bool HasNotes => !Audit.IsEmpty || !DryRunDeny.IsEmpty || !DryRunAllow.IsEmpty;

    /// <summary>Whether any policy asks for the server name of the client's TLS (<c>connection.sni</c>).</summary>
    public bool AsksForServerName { get; }

    /// <summary>Whether any CUSTOM policy applies.</summary>
    public bool HasCustom => !Custom.IsEmpty;

    /// <summary>
    /// The external authorizer that CUSTOM policies name; null: there are none, it is not configured, its service is not in the mesh, or they name
    /// different ones, which Istio refuses too.
    /// </summary>
    public ExternalAuthorizer? Authorizer { get; }

    /// <summary>Which of the addresses in X-Forwarded-For is the client's, from the right; 0: none, the peer is the client.</summary>
    public int ForwardedHops { get; }

    /// <summary>Rules of the tokens that requests may carry.</summary>
    public TokenRules Tokens { get; }

    /// <summary>What <see cref="Tokens"/> was compiled from.</summary>
    private ImmutableArray<RequestAuthentication> Authentications { get; }

    /// <summary>Every policy, the oldest first.</summary>
    internal ReadOnlySpan<CompiledPolicy> All => _all;

    internal PolicyList Custom { get; }

    internal PolicyList Deny { get; }

    internal PolicyList Allow { get; }

    internal PolicyList Audit { get; }

    internal PolicyList DryRunDeny { get; }

    internal PolicyList DryRunAllow { get; }

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
            mesh, forwardedHops: 1, earlier, policy => Applies(policy.Namespace, policy.Targets), authentication => Applies(authentication.Namespace, authentication.Targets));

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
            mesh,
            gateway.NumTrustedProxies,
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
            mesh,
            forwardedHops: 0,
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
        MeshSnapshot mesh,
        int forwardedHops,
        RequestPolicies? earlier,
        Func<RequestAuthorizationPolicy, bool> applies,
        Func<RequestAuthentication, bool> looks)
    {
        var configuration = mesh.Requests;
        var known = earlier is not null && earlier.ForwardedHops == forwardedHops && earlier._trustDomain == configuration.TrustDomain
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
        return ReferenceEquals(known, earlier?._all) && ordered.AsSpan().SequenceEqual(known) && sameTokens && Equals(AuthorizerOf(earlier!.Custom, mesh), earlier.Authorizer)
            ? earlier!
            : new RequestPolicies(mesh, forwardedHops, ordered, authentications, sameTokens ? earlier!.Tokens : TokenRules.Of(authentications));
    }

    private static ExternalAuthorizer? AuthorizerOf(PolicyList custom, MeshSnapshot mesh)
    {
        string? name = null;
        foreach (var policy in custom.Policies)
        {
            if (name is not null && name != policy.Source.Provider)
            {
                return null;
            }

            name = policy.Source.Provider;
        }

        return name is not null && mesh.Requests.ExternalAuthorizers.TryGetValue(name, out var authorizer) && authorizer.FindService(mesh) is not null ? authorizer : null;
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
