using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>An endpoint, and how near the service itself says that it is.</summary>
/// <param name="State">Endpoint.</param>
/// <param name="Rank">Larger is nearer.</param>
internal readonly record struct RankedEndpoint(EndpointState State, int Rank);

/// <summary>Sorts endpoints by priority and share, as a client of one locality sees them.</summary>
internal static class LocalityTiers
{
    /// <summary>The tiers, the first first.</summary>
    /// <param name="mesh">Labels of workloads.</param>
    /// <param name="client">Who sends.</param>
    /// <param name="settings">What is said of localities, and of the choice.</param>
    /// <param name="outliers">Who is left out; failover of Istio's own needs it, for else nobody would ever be asked but the nearest.</param>
    /// <param name="endpoints">Endpoints.</param>
    public static EndpointTier[] Of(
        MeshSnapshot mesh, Workload client, BalancerSettings settings, OutlierDetection? outliers, IReadOnlyList<RankedEndpoint> endpoints)
    {
        if (settings.Assigned is not null || endpoints.Any(static endpoint => endpoint.State.Share is { Priority: > 0 }))
        {
            return Assigned(settings, settings.Assigned ?? new AssignedEndpoints(false, 0), endpoints);
        }

        var panic = outliers?.MinHealthPercent ?? 0;
        var locality = settings.Locality is { IsEnabled: false } ? null : settings.Locality;
        if (locality is not null && locality.Distribute.FirstOrDefault(rule => Matches(rule.From, client.Locality)) is { } distribution)
        {
            return [new EndpointTier(Shares(distribution, endpoints), settings, panic)];
        }

        var byRank = settings.Locality is { IsEnabled: false } || outliers is null ? static (RankedEndpoint endpoint) => -endpoint.Rank
            : locality is { FailoverPriority.IsEmpty: false } ? endpoint => PriorityOf(mesh, client, endpoint.State.Workload, locality.FailoverPriority)
            : locality is null && endpoints.Any(static endpoint => endpoint.Rank > 0) ? static endpoint => -endpoint.Rank
            : (Func<RankedEndpoint, int>)(endpoint => DistanceOf(client.Locality, endpoint.State.Workload.Locality, locality?.Failover ?? []));
        return
        [
            .. endpoints.GroupBy(byRank).OrderBy(static tier => tier.Key)
                .Select(tier => new EndpointTier([(1, [.. tier.Select(static endpoint => endpoint.State)])], settings, panic)),
        ];
    }

    /// <summary>Priorities, and shares of localities within each, as a control plane has worked them out.</summary>
    private static EndpointTier[] Assigned(BalancerSettings settings, AssignedEndpoints assigned, IReadOnlyList<RankedEndpoint> endpoints) =>
    [
        .. endpoints.Select(static endpoint => endpoint.State).GroupBy(static endpoint => endpoint.Share?.Priority ?? 0).OrderBy(static tier => tier.Key)
            .Select(tier => new EndpointTier(
                assigned.ByLocality && tier.Any(static endpoint => endpoint.Share is { LocalityWeight: > 0 })
                    ? [.. tier.GroupBy(static endpoint => (endpoint.Share?.Locality ?? Locality.Empty, endpoint.Share?.LocalityWeight ?? 0)).Select(static place => (place.Key.Item2, place.ToArray()))]
                    : [(1, [.. tier])],
                settings,
                assigned.PanicPercent,
                assigned.Overprovisioning)),
    ];

    private static List<(uint Share, EndpointState[] Endpoints)> Shares(LocalityDistribution distribution, IReadOnlyList<RankedEndpoint> endpoints)
    {
        // The first that matches, the most exact before others; who matches none gets nothing.
        var shares = distribution.To.OrderByDescending(static share => share.Locality.Contains('*', StringComparison.Ordinal) ? 0 : 1)
            .ThenByDescending(static share => share.Locality.Length).ToArray();
        return
        [
            .. endpoints.GroupBy(endpoint => Array.FindIndex(shares, share => Matches(share.Locality, endpoint.State.Workload.Locality)))
                .Where(static group => group.Key >= 0)
                .Select(group => ((uint)shares[group.Key].Percent, group.Select(static endpoint => endpoint.State).ToArray())),
        ];
    }

    /// <summary>Whether a locality is one of <c>region/zone/subzone</c>, of which <c>*</c> or nothing stands for the rest.</summary>
    internal static bool Matches(string pattern, Locality locality)
    {
        ReadOnlySpan<string> parts = [locality.Region, locality.Zone, locality.Subzone];
        var i = 0;
        foreach (var part in pattern.AsSpan().Split('/'))
        {
            var asked = pattern.AsSpan(part);
            if (asked is "*" || i >= parts.Length)
            {
                return true;
            }

            if (!asked.SequenceEqual(parts[i++]))
            {
                return false;
            }
        }

        return true;
    }

    private static int DistanceOf(Locality client, Locality endpoint, ImmutableArray<RegionFailover> failover)
    {
        if (client.Region == endpoint.Region)
        {
            return client.Zone != endpoint.Zone ? 2 : client.Subzone != endpoint.Subzone ? 1 : 0;
        }

        foreach (var rule in failover)
        {
            if (rule.From == client.Region)
            {
                return rule.To == endpoint.Region ? 3 : 4;
            }
        }

        return 3;
    }

    private static int PriorityOf(MeshSnapshot mesh, Workload client, Workload endpoint, ImmutableArray<string> labels)
    {
        for (var i = 0; i < labels.Length; i++)
        {
            var equals = labels[i].IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? labels[i] : labels[i][..equals];
            var wanted = equals < 0 ? Label(mesh, client, name) : labels[i][(equals + 1)..];
            if (Label(mesh, endpoint, name) != wanted)
            {
                return labels.Length - i;
            }
        }

        return 0;
    }

    /// <summary>A label; those that say where a workload runs are known of every one.</summary>
    private static string Label(MeshSnapshot mesh, Workload workload, string name) => name switch
    {
        "topology.kubernetes.io/region" => workload.Locality.Region,
        "topology.kubernetes.io/zone" => workload.Locality.Zone,
        "topology.istio.io/subzone" => workload.Locality.Subzone,
        "topology.istio.io/network" => workload.Network,
        "topology.istio.io/cluster" => workload.ClusterId,
        "kubernetes.io/hostname" => workload.Node,
        _ => mesh.Requests.WorkloadLabels.TryGetValue(workload.Uid, out var labels) ? labels.GetValueOrDefault(name, "") : "",
    };
}
