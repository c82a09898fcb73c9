using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>
/// What holds towards the endpoints of a host, as a DestinationRule says it. Which endpoints a subset has istiod has worked out, and labels of our own on
/// workloads say so; which go before others, and which share each has, their shares do.
/// </summary>
internal static class RuleAssembly
{
    // Mesh traffic takes what the DestinationRule exports; what came to this proxy is for it.
    private const string Yes = "yes";

    private static readonly AssignedEndpoints s_usual = new(false, 0);

    /// <summary>The rule; null: what everybody has.</summary>
    public static DestinationRule? Of(
        MeshService service,
        IEnumerable<EnvoyCluster> clusters,
        IReadOnlyDictionary<string, EnvoyAssignment> assignments,
        IReadOnlyDictionary<string, ConsistentHash> hashes)
    {
        var bySubset = clusters.GroupBy(cluster => cluster.Meaning.Subset ?? "").OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (Subset: group.Key, Policy: PolicyOf(service, group, assignments, hashes))).ToArray();
        if (bySubset is [] or [{ Subset: "", Policy: null }])
        {
            return null;
        }

        var rule = clusters.Select(cluster => cluster.Rule).FirstOrDefault(name => name is not null);
        return new DestinationRule
        {
            Namespace = service.Namespace,
            Name = rule is null ? service.Hostname : rule[(rule.IndexOf('/', StringComparison.Ordinal) + 1)..],
            Origin = rule ?? "",
            Host = service.Hostname,
            Policy = bySubset.FirstOrDefault(group => group.Subset.Length == 0).Policy ?? TrafficPolicy.None,
            Subsets =
            [
                .. bySubset.Where(group => group.Subset.Length > 0).Select(group => new DestinationSubset(group.Subset)
                {
                    Labels = ImmutableDictionary<string, string>.Empty.Add(SubsetLabel(service.Hostname, group.Subset), Yes),
                    Policy = group.Policy,
                }),
            ],
        };
    }

    /// <summary>Labels that endpoints of a cluster get: the subset that they are in, and whether they have a sidecar.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="endpoint">One of its endpoints.</param>
    public static IEnumerable<KeyValuePair<string, string>> LabelsOf(EnvoyCluster cluster, EnvoyEndpoint endpoint)
    {
        if (cluster.Meaning.Subset is { } subset)
        {
            yield return new(SubsetLabel(cluster.Meaning.Host, subset), Yes);
        }

        if (!endpoint.ByTunnel && cluster.Sockets.Of(endpoint.SocketLabels) == EndpointSocket.Sidecar)
        {
            yield return new(SidecarLabel(cluster.Name), Yes);
        }
    }

    /// <summary>What is said of an endpoint of a cluster; null: the usual.</summary>
    public static EndpointShare? ShareOf(EnvoyCluster cluster, EnvoyEndpoint endpoint)
    {
        var (port, subset) = (cluster.Meaning.Port, cluster.Meaning.Subset);
        var share = new EndpointShare(port, subset)
        {
            Weight = endpoint.Weight == 1 ? null : endpoint.Weight,
            IsHealthy = endpoint.IsHealthy,
            Priority = endpoint.Priority,
            Locality = cluster.ByLocality ? endpoint.Locality : Locality.Empty,
            LocalityWeight = cluster.ByLocality ? endpoint.LocalityWeight : 0,
        };

        // Of a subset it is always said: else what is said of all would hold for it.
        return subset is null && share.Equals(new EndpointShare(port, null)) ? null : share;
    }

    /// <summary>Of several clusters for one port and subset the one that counts: that of this waypoint's own requests, then of its connections.</summary>
    public static EnvoyCluster? Counting(IEnumerable<EnvoyCluster> clusters) =>
        clusters.OrderByDescending(static candidate => candidate.Meaning.IsOwn).ThenBy(static candidate => candidate.Meaning.IsTcp).ThenBy(static candidate => candidate.Name, StringComparer.Ordinal).FirstOrDefault();

    private static TrafficPolicy? PolicyOf(
        MeshService service,
        IEnumerable<EnvoyCluster> clusters,
        IReadOnlyDictionary<string, EnvoyAssignment> assignments,
        IReadOnlyDictionary<string, ConsistentHash> hashes)
    {
        var ports = ImmutableArray.CreateBuilder<PortTrafficPolicy>();
        RetryBudget? budget = null;
        ProxyProtocolVersion? proxy = null;
        foreach (var port in clusters.GroupBy(cluster => cluster.Meaning.Port).OrderBy(port => port.Key))
        {
            var cluster = Counting(port)!;
            var declared = service.Ports.FirstOrDefault(candidate => candidate.Port == port.Key).AppProtocol;
            var policy = cluster.Policy;
            budget ??= policy.RetryBudget;
            proxy ??= cluster.ProxyProtocol;
            var pool = policy.ConnectionPool ?? new ConnectionPoolSettings();
            pool = pool with
            {
                UpgradesToHttp2 = cluster.SpeaksHttp2 && declared is not (AppProtocol.Http2 or AppProtocol.Grpc),
                UsesClientProtocol = pool.UsesClientProtocol && declared is not (AppProtocol.Unknown or AppProtocol.Tcp or AppProtocol.Tls),
            };
            var balancer = policy.Balancer ?? BalancerSettings.Default;
            if (cluster.Table is { } table && hashes.TryGetValue(cluster.Name, out var hash))
            {
                balancer = balancer with { ConsistentHash = hash with { IsMaglev = table.IsMaglev, TableSize = table.TableSize } };
            }

            var overprovisioning = assignments.GetValueOrDefault(cluster.Assignment ?? cluster.Own?.Name ?? cluster.Name)?.Overprovisioning ?? AssignedEndpoints.UsualOverprovisioning;
            var assigned = new AssignedEndpoints(cluster.ByLocality, cluster.PanicPercent, overprovisioning);
            if (policy.OutlierDetection is not null || !assigned.Equals(s_usual))
            {
                // Who goes first istiod has decided: with outlier detection we would, too.
                balancer = balancer with { Assigned = assigned };
            }

            var own = new TrafficPolicy
            {
                Balancer = balancer.Equals(BalancerSettings.Default) ? null : balancer,
                ConnectionPool = pool.Equals(new ConnectionPoolSettings()) ? null : pool,
                OutlierDetection = policy.OutlierDetection,
                Sidecars = cluster.Sidecar is { } sidecar ? new SidecarTls(SidecarLabel(cluster.Name), sidecar) : null,
            };
            if (!own.Equals(TrafficPolicy.None))
            {
                ports.Add(new PortTrafficPolicy(port.Key, own));
            }
        }

        return ports.Count == 0 && budget is null && proxy is null ? null : new TrafficPolicy { Ports = ports.ToImmutable(), RetryBudget = budget, ProxyProtocol = proxy };
    }

    private static string SubsetLabel(string host, string subset) => $"subset {host}/{subset}";

    private static string SidecarLabel(string cluster) => $"sidecar {cluster}";
}
