using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Routes;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>What holds for requests to a service: its chains, port by port.</summary>
internal static class PlaceAssembly
{
    private const string DefaultRoute = "default";

    /// <summary>Puts it together.</summary>
    /// <param name="service">The service; null: for requests that are addressed to workloads, whatever their port.</param>
    /// <param name="chains">Its chains.</param>
    /// <param name="tunnelPolicies">Policies for whoever opens a tunnel; they are asked first.</param>
    /// <param name="problems">Takes what does not fit together.</param>
    public static PlaceConfiguration Of(MeshService? service, ImmutableArray<HostChain> chains, ImmutableArray<RequestAuthorizationPolicy> tunnelPolicies, Problems problems)
    {
        var policies = new List<ChainPlace>();
        var blocked = ImmutableDictionary.CreateBuilder<int, string>();
        var streams = ImmutableDictionary.CreateBuilder<int, StreamRoute>();
        var rules = ImmutableArray.CreateBuilder<TrafficRule>();
        RequestAuthentication? tokens = null;
        var (first, isDefault) = (true, true);
        foreach (var port in chains.GroupBy(chain => chain.Name.Port).OrderBy(port => port.Key))
        {
            var http = port.FirstOrDefault(chain => !chain.Name.IsTcp)?.Chain;
            var tcp = port.FirstOrDefault(chain => chain.Name.IsTcp)?.Chain;

            // What is said of connections follows from what is said of requests; only where there are no requests it stands alone.
            policies.Add(new ChainPlace(port.Key, [], (http ?? tcp)!.Policies));
            if ((http?.Blocked ?? tcp?.Blocked ?? OfConnectionsAlone(http, tcp, $"{service?.Hostname}:{port.Key}", problems)) is { } reason)
            {
                blocked[port.Key] = reason;
            }

            if (http is not null)
            {
                if (!first && !Equals(tokens, http.Tokens))
                {
                    // Tokens belong to a service, not to a port; istiod never says anything else.
                    blocked[port.Key] = problems.Add($"{service?.Hostname}:{port.Key}", "other tokens than at other ports");
                }

                tokens = first ? http.Tokens : tokens;
                first = false;
                if (http.Http?.Routes is not { } table)
                {
                    blocked.TryAdd(port.Key, "routes that come by a name of their own");
                    isDefault = false;
                }
                else if (service is null)
                {
                    if (!IsPlain(table, out _))
                    {
                        blocked.TryAdd(port.Key, problems.Add("requests to workloads", "routes, which such requests do not have"));
                    }
                }
                else
                {
                    isDefault &= IsDefault(table, service, port.Key);
                    var own = RouteTables.ForPort(table, port.Key).ToArray();
                    rules.AddRange(own.Length > 0 ? own : [RouteTables.NoRoute(port.Key)]);
                }
            }

            problems.NoteIf(service is null && tcp?.Limits is not null, "connections to workloads", "how long they may be idle or last");
            if (tcp is not null && service is not null && StreamOf(tcp, service, port.Key) is { } stream)
            {
                streams[port.Key] = stream;
            }
        }

        // What has no chain nobody serves there: its policies have not come, or there are none that could hold for it.
        foreach (var port in service?.Ports ?? [])
        {
            if (chains.All(chain => chain.Name.Port != port.Port))
            {
                blocked.TryAdd(port.Port, "no chain of the waypoint has the port");
            }
        }

        var joined = ChainPolicies.Behind(tunnelPolicies, ChainPolicies.Join(policies));
        if (service is null && blocked.Count > 0)
        {
            // Without routes there is nothing else to stop them.
            joined = joined.Add(ChainPolicies.Nobody(blocked.Values.First()));
        }

        return new PlaceConfiguration
        {
            Policies = joined,
            Authentications = tokens is null ? [] : [tokens],
            Routes = isDefault || rules.Count == 0 ? null : new HttpRoute
            {
                Kind = HttpRoute.VirtualService,
                Namespace = service?.Namespace ?? "",
                Name = service?.Hostname ?? PlaceConfiguration.Workloads,
                Rules = rules.ToImmutable(),
            },
            Streams = streams.ToImmutable(),
            Blocked = blocked.ToImmutable(),
            Telemetry = service is null ? TelemetryAssembly.OfWorkloads(chains) : TelemetryAssembly.Of(chains.Select(chain => (chain.Name.Port, chain.Chain)), problems),
        };
    }

    /// <summary>
    /// Why a port must be closed whose connections have policies that its requests have not: there, what is said of requests is asked of everything.
    /// </summary>
    private static string? OfConnectionsAlone(EnvoyChain? http, EnvoyChain? tcp, string where, Problems problems)
    {
        var alone = http is null ? null : tcp?.Policies.FirstOrDefault(policy => !http.Policies.Any(other =>
            (other.Action, other.DryRun, other.Provider) == (policy.Action, policy.DryRun, policy.Provider)
            && (policy.Rules.IsEmpty || (other.Namespace, other.Name) == (policy.Namespace, policy.Name))));
        return alone is null ? null : problems.Add(where, $"the policy {alone.Name} of connections, which its requests have not");
    }

    /// <summary>Whether routes say no more than is done without any: everything to the service itself, at the port that it came to.</summary>
    private static bool IsDefault(RouteTable table, MeshService service, int port) =>
        IsPlain(table, out var forward) && forward.Retry is null
        && forward.Backends[0].Reference.Name == service.Hostname && forward.Backends[0].Reference.Port == port
        && !(forward.Timeout > TimeSpan.Zero) && !(forward.TryTimeout > TimeSpan.Zero);

    /// <summary>Whether everything goes to one place, and nothing is done to it on the way.</summary>
    private static bool IsPlain(RouteTable table, [NotNullWhen(true)] out ForwardAction? forward)
    {
        forward = null;
        if (table.Unknown is null && table.Hosts is [{ Domains: ["*"], RequiresTls: false, Rules: [var rule] }]
            && rule.Name == DefaultRoute
            && rule.Matches is [{ Path: { Kind: PathMatchKind.TextPrefix, Value: "/" }, Method: null, Scheme: null, Authority: null, Headers.IsEmpty: true, QueryParams.IsEmpty: true }]
            && rule is { RequestHeaders: null, ResponseHeaders: null, Cors: null, Fault: null, Unsupported.IsEmpty: true }
            && rule.Action is ForwardAction { Backends: [{ Subset: null, RequestHeaders: null, ResponseHeaders: null }], Rewrite: null, Mirrors.IsEmpty: true } found)
        {
            forward = found;
        }

        return forward is not null;
    }

    private static StreamRoute? StreamOf(EnvoyChain chain, MeshService service, int port)
    {
        var isItself = chain.Clusters is [var only] && ClusterName.Parse(only.Cluster) is { Subset: null } name && name.Host == service.Hostname && name.Port == port;
        return chain.Clusters.IsEmpty || (isItself && chain.Limits is null) ? null : new StreamRoute
        {
            Kind = "TCPRoute",
            Namespace = service.Namespace,
            Name = $"{service.Hostname}:{port}",
            Backends = Backends(chain.Clusters, service.Namespace),
            Limits = chain.Limits,
        };
    }

    /// <summary>Clusters for bytes, as backends of a route.</summary>
    internal static ImmutableArray<StreamRouteBackend> Backends(ImmutableArray<(string Cluster, int Weight)> clusters, string ns) =>
        [.. clusters.Select(cluster => new StreamRouteBackend(ClusterName.Reference(cluster.Cluster, ns), cluster.Weight) { Subset = ClusterName.Parse(cluster.Cluster)?.Subset })];
}
