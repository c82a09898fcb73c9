using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What a client observes towards one port of a service, or a subset of its endpoints: the DestinationRule that counts, block by block.</summary>
public sealed record BackendPolicy
{
    private static readonly ConditionalWeakTable<ImmutableDictionary<string, DestinationRule>, DestinationRuleIndex> s_indices = [];

    /// <summary>What holds where nothing is said.</summary>
    public static BackendPolicy Default { get; } = new();

    /// <summary>The rule (<c>namespace/name</c>); null: none.</summary>
    public string? Rule { get; init; }

    /// <summary>Whether a subset was asked for that the rule does not have: nobody serves it.</summary>
    public bool IsSubsetUnknown { get; init; }

    /// <summary>Labels that endpoints of the subset have.</summary>
    public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>How an endpoint is chosen.</summary>
    public BalancerSettings Balancer { get; init; } = BalancerSettings.Default;

    /// <summary>Connections and limits; null: nothing is said.</summary>
    public ConnectionPoolSettings? ConnectionPool { get; init; }

    /// <summary>Which endpoints are left out for a while; null: none.</summary>
    public OutlierDetection? OutlierDetection { get; init; }

    /// <summary>How many requests may be under way again; null: nothing is said.</summary>
    public RetryBudget? RetryBudget { get; init; }

    /// <summary>The header of the PROXY protocol that connections begin with; null: none.</summary>
    public ProxyProtocolVersion? ProxyProtocol { get; init; }

    /// <summary>Where connections whose bytes are not looked into are led through the endpoints; null: to them.</summary>
    public ProxyTunnel? Tunnel { get; init; }

    /// <summary>TLS that is made to the endpoints, within the tunnel where there is one; null: none.</summary>
    public BackendTls? Tls { get; init; }

    /// <summary>TLS to those endpoints that have a sidecar, in place of <see cref="Tls"/>; null: nobody is known to have one.</summary>
    public SidecarTls? Sidecars { get; init; }

    /// <summary>Why TLS that is asked for cannot be made, in words: then nothing may be sent. Null: it can, or is not asked for.</summary>
    public string? TlsProblem { get; init; }

    /// <summary>
    /// The policy of a client. Rules are looked for in the client's namespace, in the service's and in the root namespace, in this order and where they
    /// are exported to the client; in each of them the most specific host goes first.
    /// </summary>
    /// <param name="mesh">Mesh.</param>
    /// <param name="client">Who sends.</param>
    /// <param name="service">Service.</param>
    /// <param name="port">Port of the service.</param>
    /// <param name="subset">Subset; null: all endpoints.</param>
    public static BackendPolicy Of(MeshSnapshot mesh, Workload client, MeshService service, int port, string? subset)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(service);
        var requests = mesh.Requests;
        var rules = requests.DestinationRules.IsEmpty
            ? []
            : s_indices.GetValue(requests.DestinationRules, static rules => new DestinationRuleIndex(rules.Values)).Find(requests, client, service);
        if (rules.IsEmpty && requests.DefaultTrafficPolicy is null && requests is { ConnectionDefaults: null, LocalityDefaults: null })
        {
            var (only, unmet) = TlsToBackend.Of(requests, client, service, port, null, null);
            return subset is null && only is null && unmet is null ? Default : Default with { IsSubsetUnknown = subset is not null, Tls = only, TlsProblem = unmet };
        }

        // Of several rules for one host the oldest speaks for the whole, and each has its own subsets (what istiod merges them to).
        var all = rules.Select(static rule => rule.Policy).FirstOrDefault(static policy => policy != TrafficPolicy.None) ?? TrafficPolicy.None;
        var chosen = subset is null ? null : rules.SelectMany(static rule => rule.Subsets).FirstOrDefault(candidate => candidate.Name == subset);
        var merged = OfPort(TrafficPolicy.None, all, port);
        if (chosen?.Policy is { } own)
        {
            merged = OfPort(merged, own, port);
        }

        var (tls, problem) = TlsToBackend.Of(requests, client, service, port, merged.Tls, rules.IsEmpty ? null : rules[0].Key);
        return new BackendPolicy
        {
            Rule = rules.IsEmpty ? null : rules[0].Origin switch { null => rules[0].Key, "" => null, var origin => origin },
            IsSubsetUnknown = subset is not null && chosen is null,
            Labels = chosen?.Labels ?? ImmutableDictionary<string, string>.Empty,
            Balancer = WithLocality(merged.Balancer ?? BalancerSettings.Default, requests.LocalityDefaults),
            ConnectionPool = Pool(merged.ConnectionPool ?? requests.DefaultTrafficPolicy?.ConnectionPool, requests.ConnectionDefaults),
            OutlierDetection = merged.OutlierDetection ?? requests.DefaultTrafficPolicy?.OutlierDetection,
            RetryBudget = merged.RetryBudget,
            ProxyProtocol = merged.ProxyProtocol,
            Tunnel = merged.Tunnel,
            Tls = tls,
            Sidecars = merged.Sidecars,
            TlsProblem = problem,
        };
    }

    /// <summary>The TLS that an endpoint is spoken to in because it has a sidecar; null: it has none.</summary>
    public BackendTls? SidecarOf(MeshSnapshot mesh, Workload endpoint)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(endpoint);
        return Sidecars is { } sidecars && mesh.Requests.WorkloadLabels.TryGetValue(endpoint.Uid, out var labels) && labels.ContainsKey(sidecars.Label) ? sidecars.Tls : null;
    }

    /// <summary>Every endpoint of a port of the service, or of a subset, why it can or cannot be chosen, and how it is reached. For people.</summary>
    public ImmutableArray<EndpointCandidate> Candidates(MeshSnapshot mesh, Workload client, MeshService service, int port, string? subset)
    {
        ArgumentNullException.ThrowIfNull(service);
        return
        [
            .. DestinationResolver.Candidates(mesh, client, service, port)
                .Select(candidate => BackendEndpoint.Judged(candidate, service.Key, port, subset) with { Sidecar = SidecarOf(mesh, candidate.Workload) }),
        ];
    }

    private static BalancerSettings WithLocality(BalancerSettings own, LocalityBalancing? mesh) => own.Locality is null && mesh is not null ? own with { Locality = mesh } : own;

    /// <summary>What the mesh says of connections holds where their own settings do not say.</summary>
    private static ConnectionPoolSettings? Pool(ConnectionPoolSettings? own, ConnectionPoolSettings? mesh) => mesh is null ? own
        : own is null ? mesh
        : own with { ConnectTimeout = own.ConnectTimeout ?? mesh.ConnectTimeout, KeepAlive = own.KeepAlive ?? mesh.KeepAlive, UpgradesToHttp2 = own.UpgradesToHttp2 || (mesh.UpgradesToHttp2 && own is { KeepsHttp1: false, UsesClientProtocol: false }) };

    /// <summary>A policy over another: its blocks where it has them, and what it says of the port in place of all of them.</summary>
    private static TrafficPolicy OfPort(TrafficPolicy below, TrafficPolicy policy, int port)
    {
        var (budget, proxy, tunnel) = (policy.RetryBudget ?? below.RetryBudget, policy.ProxyProtocol ?? below.ProxyProtocol, policy.Tunnel ?? below.Tunnel);
        foreach (var own in policy.Ports)
        {
            if (own.Port == port)
            {
                return own.Policy with { RetryBudget = budget, ProxyProtocol = proxy, Tunnel = tunnel };
            }
        }

        return new TrafficPolicy
        {
            Balancer = policy.Balancer ?? below.Balancer,
            ConnectionPool = policy.ConnectionPool ?? below.ConnectionPool,
            OutlierDetection = policy.OutlierDetection ?? below.OutlierDetection,
            Tls = policy.Tls ?? below.Tls,
            Sidecars = policy.Sidecars ?? below.Sidecars,
            RetryBudget = budget,
            ProxyProtocol = proxy,
            Tunnel = tunnel,
        };
    }
}
