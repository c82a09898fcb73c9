using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>
/// What holds towards the endpoints of a host, as a DestinationRule says it. Which endpoints a subset has, and which go before others, istiod has worked
/// out; labels of our own on workloads say so.
/// </summary>
internal static class RuleAssembly
{
    // Mesh traffic takes what the DestinationRule exports; what came to this proxy is for it.
    private const string Yes = "yes";

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

    /// <summary>Labels that endpoints of a cluster get: the subset that they are in, how far in front they are, and whether they have a sidecar.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="assignment">Its endpoints.</param>
    /// <param name="endpoint">One of them.</param>
    public static IEnumerable<KeyValuePair<string, string>> LabelsOf(EnvoyCluster cluster, EnvoyAssignment assignment, EnvoyEndpoint endpoint)
    {
        if (cluster.Meaning.Subset is { } subset)
        {
            yield return new(SubsetLabel(cluster.Meaning.Host, subset), Yes);
        }

        if (!endpoint.ByTunnel && cluster.Sockets.Of(endpoint.SocketLabels) == EndpointSocket.Sidecar)
        {
            yield return new(SidecarLabel(cluster.Name), Yes);
        }

        var levels = assignment.Levels;
        for (var i = 0; i < levels.Length - 1 - levels.IndexOf(endpoint.Priority); i++)
        {
            yield return new(PriorityLabel(cluster.Name, i), Yes);
        }
    }

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
            // Of several for one port, that of this waypoint's own requests.
            var cluster = port.OrderByDescending(static candidate => candidate.Meaning.IsOwn).ThenBy(static candidate => candidate.Meaning.IsTcp).First();
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

            var outliers = policy.OutlierDetection;
            if (assignments.TryGetValue(cluster.Assignment ?? cluster.Name, out var assignment) && assignment.Levels is { Length: > 1 } levels)
            {
                balancer = balancer with
                {
                    Locality = new LocalityBalancing { FailoverPriority = [.. Enumerable.Range(0, levels.Length - 1).Select(i => $"{PriorityLabel(cluster.Name, i)}={Yes}")] },
                };

                // Who goes first istiod has decided, whether anybody is ever left out or not.
                outliers ??= new OutlierDetection { Consecutive5xxErrors = 0 };
            }

            else if (assignment is { Shares.IsEmpty: false })
            {
                balancer = balancer with { Locality = new LocalityBalancing { Distribute = [new LocalityDistribution("*", assignment.Shares)] } };
            }
            else if (outliers is not null)
            {
                // Without priorities nobody goes first, wherever it is.
                balancer = balancer with { Locality = new LocalityBalancing { IsEnabled = false } };
            }

            var own = new TrafficPolicy
            {
                Balancer = balancer.Equals(BalancerSettings.Default) ? null : balancer,
                ConnectionPool = pool.Equals(new ConnectionPoolSettings()) ? null : pool,
                OutlierDetection = outliers,
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

    private static string PriorityLabel(string cluster, int level) => $"priority {cluster}/{level}";
}
