using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The policies that apply to requests at one place, sorted for evaluation. Hold one per place, ask it for every request, and give it
/// back when the mesh has changed: only policies that are new are compiled then.
/// </summary>
public sealed class RequestPolicies
{
    private readonly PolicyOrigin _origin;
    private readonly PolicyLists _lists;

    // The newest maps that were found to say the same as those that this was made of: only what they differ in from the next ones is looked at.
    private RequestConfiguration _seen;

    private RequestPolicies(MeshSnapshot mesh, PolicyOrigin origin, PolicyLists lists, ImmutableArray<RequestAuthentication> authentications, TokenRules tokens)
    {
        Tokens = tokens;
        Authentications = authentications;
        _origin = origin;
        _lists = lists;
        _seen = mesh.Requests;
        Authorizer = AuthorizerOf(Custom, mesh);
        AsksForServerName = lists.All.Any(policy => policy.AsksForServerName);
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
    public int ForwardedHops => _origin.ForwardedHops;

    /// <summary>Rules of the tokens that requests may carry.</summary>
    public TokenRules Tokens { get; }

    /// <summary>What <see cref="Tokens"/> was compiled from.</summary>
    private ImmutableArray<RequestAuthentication> Authentications { get; }

    /// <summary>Every policy, the oldest first.</summary>
    internal ReadOnlySpan<CompiledPolicy> All => _lists.All.AsSpan();

    internal PolicyList Custom => _lists[PolicyPurpose.Custom];

    /// <summary>Whether the CUSTOM policies and their authorizer are those of others: what those said of a request these would say.</summary>
    internal bool QuestionsAs(RequestPolicies? others) => others is not null && ReferenceEquals(Custom, others.Custom) && Equals(Authorizer, others.Authorizer);

    internal PolicyList Deny => _lists[PolicyPurpose.Deny];

    internal PolicyList Allow => _lists[PolicyPurpose.Allow];

    internal PolicyList Audit => _lists[PolicyPurpose.Audit];

    internal PolicyList DryRunDeny => _lists[PolicyPurpose.DryRunDeny];

    internal PolicyList DryRunAllow => _lists[PolicyPurpose.DryRunAllow];

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
        if (mesh.Requests.Places.GetValueOrDefault(service?.Key ?? PlaceConfiguration.Workloads) is { } place)
        {
            return OfPlace(mesh, new PolicyOrigin(mesh.Requests, 1, place), earlier, place);
        }

        var isKubernetes = service is null || IsKubernetes(service);
        return Compile(
            mesh, new PolicyOrigin(mesh.Requests, 1, gateway.Namespace, gateway.Name, gateway.ClassName, service?.Namespace, service?.Name, service?.Hostname), earlier, policy => Applies(policy.Namespace, policy.Targets), authentication => Applies(authentication.Namespace, authentication.Targets));

        bool Applies(string ns, ImmutableArray<ObjectReference> targets) => targets.Any(target =>
            IsGateway(ns, target, gateway) || IsClassOf(mesh.Requests, ns, target, gateway) || IsService(ns, target, service, isKubernetes));
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
        if (mesh.Requests.Places.GetValueOrDefault(PlaceConfiguration.OfGateway(gateway.Key)) is { } place)
        {
            return OfPlace(mesh, new PolicyOrigin(mesh.Requests, gateway.NumTrustedProxies, place), earlier, place);
        }

        return Compile(
            mesh,
            new PolicyOrigin(mesh.Requests, gateway.NumTrustedProxies, gateway.Namespace, gateway.Name, gateway.PodLabels),
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
            new PolicyOrigin(requests, 0, workload.Namespace, workload.AuthorizationPolicies, selection),
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
        MeshSnapshot mesh, PolicyOrigin origin, RequestPolicies? earlier, Func<RequestAuthorizationPolicy, bool> applies, Func<RequestAuthentication, bool> looks)
    {
        var configuration = mesh.Requests;
        if (earlier is not null && !earlier._origin.ReadsAs(origin))
        {
            earlier = null;
        }

        var lists = earlier?._lists ?? PolicyLists.Empty;
        var isSamePlace = earlier?._origin.IsSamePlace(origin) == true;
        if (!isSamePlace)
        {
            // Of what was compiled for another place, or for this one as it was, what applies here stays.
            var wanted = configuration.AuthorizationPolicies.Values.Where(applies).ToHashSet<object>(ReferenceEqualityComparer.Instance);
            ImmutableArray<CompiledPolicy> removed = [.. lists.All.Where(policy => !wanted.Remove(policy.Source))];
            lists = lists.With(removed, Compiled(configuration, wanted.Cast<RequestAuthorizationPolicy>()));
        }
        else if (!ReferenceEquals(earlier!._seen.AuthorizationPolicies, configuration.AuthorizationPolicies))
        {
            var (removed, added) = MapDifference<RequestAuthorizationPolicy>.Between(earlier._seen.AuthorizationPolicies, configuration.AuthorizationPolicies);
            lists = lists.With(lists.CompiledFrom(removed), Compiled(configuration, added.Where(applies)));
        }

        var sameTokens = isSamePlace && ReferenceEquals(earlier!._seen.RequestAuthentications, configuration.RequestAuthentications);
        var authentications = sameTokens ? earlier!.Authentications : Authentications();
        return Changed(mesh, origin, earlier, isSamePlace, lists, authentications);

        ImmutableArray<RequestAuthentication> Authentications() => configuration.RequestAuthentications.IsEmpty
            ? []
            : [.. configuration.RequestAuthentications.Values.Where(authentication => !authentication.Rules.IsEmpty && looks(authentication)).OrderBy(authentication => authentication.Key, StringComparer.Ordinal)];
    }

    /// <summary>What a control plane has worked out for a place: its policies, and no others.</summary>
    private static RequestPolicies OfPlace(MeshSnapshot mesh, PolicyOrigin origin, RequestPolicies? earlier, PlaceConfiguration place)
    {
        if (earlier is not null && !earlier._origin.ReadsAs(origin))
        {
            earlier = null;
        }

        var lists = earlier?._lists ?? PolicyLists.Empty;
        var wanted = place.Policies.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        ImmutableArray<CompiledPolicy> removed = [.. lists.All.Where(policy => !wanted.Remove(policy.Source))];
        lists = lists.With(removed, Compiled(mesh.Requests, wanted.Cast<RequestAuthorizationPolicy>()));
        return Changed(
            mesh, origin, earlier, earlier?._origin.IsSamePlace(origin) == true, lists, [.. place.Authentications.Where(static authentication => !authentication.Rules.IsEmpty)]);
    }

    private static ImmutableArray<CompiledPolicy> Compiled(RequestConfiguration configuration, IEnumerable<RequestAuthorizationPolicy> policies) =>
        [.. policies.Select(policy => new CompiledPolicy(policy, configuration)).Order()];

    /// <summary>What was compiled earlier, where it says the same; else what says it now.</summary>
    private static RequestPolicies Changed(
        MeshSnapshot mesh, PolicyOrigin origin, RequestPolicies? earlier, bool isSamePlace, PolicyLists lists, ImmutableArray<RequestAuthentication> authentications)
    {
        if (earlier is null || !authentications.AsSpan().SequenceEqual(earlier.Authentications.AsSpan()))
        {
            return new RequestPolicies(mesh, origin, lists, authentications, TokenRules.Of(authentications));
        }

        if (!ReferenceEquals(lists, earlier._lists) || !Equals(AuthorizerOf(earlier.Custom, mesh), earlier.Authorizer))
        {
            return new RequestPolicies(mesh, origin, lists, earlier.Authentications, earlier.Tokens);
        }

        if (isSamePlace)
        {
            earlier._seen = mesh.Requests;
        }

        return earlier;
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

    private static bool IsKubernetes(MeshService service) =>
        service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal);

    private static bool IsService(string ns, ObjectReference target, MeshService? service, bool isKubernetes)
    {
        if (service is null || target.Name != service.Name || ns != service.Namespace || target.Namespace != service.Namespace)
        {
            return false;
        }

        return isKubernetes
            ? target is { Group: "" or "core", Kind: "Service" }
            : target is { Group: "networking.istio.io", Kind: "ServiceEntry" };
    }
}
