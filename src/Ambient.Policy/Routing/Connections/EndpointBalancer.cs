using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>
/// Picks an endpoint of a service: those that can serve the port, of these the best by locality, of these one at random
/// by capacity (docs/protocol.md, "Choosing an endpoint"). Allocates nothing.
/// </summary>
internal static class EndpointBalancer
{
    /// <summary>Which endpoints can serve a port.</summary>
    internal enum PortRule
    {
        /// <summary>The service must declare the port.</summary>
        Declared,

        /// <summary>The service declares the port, or the endpoint has an application tunnel (waypoints).</summary>
        DeclaredOrTunnel,
    }

    /// <summary>The endpoint, or null when none can serve.</summary>
    internal static MeshEndpoint? Pick(MeshSnapshot mesh, Workload source, MeshService service, int port, PortRule rule, Random random)
    {
        var endpoints = mesh.EndpointsOf(service).AsSpan();
        var target = TargetPortOf(service, port);
        var best = -1;
        ulong total = 0;
        foreach (var endpoint in endpoints)
        {
            if (IsEligible(source, service, endpoint, port, target, rule, out var rank) && rank >= best)
            {
                total = rank > best ? endpoint.Workload.Capacity : total + endpoint.Workload.Capacity;
                best = rank;
            }
        }

        if (total == 0)
        {
            return null;
        }

        var draw = (ulong)random.NextInt64((long)total);
        foreach (var endpoint in endpoints)
        {
            if (IsEligible(source, service, endpoint, port, target, rule, out var rank) && rank == best)
            {
                if (draw < endpoint.Workload.Capacity)
                {
                    return endpoint;
                }

                draw -= endpoint.Workload.Capacity;
            }
        }

        return null;
    }

    /// <summary>
    /// The port on the workload: what the endpoint maps, else what the service maps, else the service port itself when an
    /// application tunnel names its own port. Null when none of these is known.
    /// </summary>
    internal static int? ResolvePort(MeshService service, MeshEndpoint endpoint, int port)
    {
        if (MappedPort(endpoint, port) is > 0 and var mapped)
        {
            return mapped;
        }

        return TargetPortOf(service, port) is > 0 and var target ? target
            : endpoint.Workload.ApplicationTunnel is { Port: > 0 } ? port
            : null;
    }

    /// <summary>Every endpoint, and whether it can be picked: the same questions as <see cref="Pick"/>'s, answered one by one.</summary>
    internal static ImmutableArray<EndpointCandidate> Candidates(MeshSnapshot mesh, Workload source, MeshService service, int port)
    {
        var target = TargetPortOf(service, port);
        var candidates = ImmutableArray.CreateBuilder<EndpointCandidate>();
        var best = -1;
        foreach (var endpoint in mesh.EndpointsOf(service))
        {
            var excluded = Exclusion(source, service, endpoint, port, target, PortRule.Declared, out var rank);
            best = excluded is null ? Math.Max(best, rank) : best;
            candidates.Add(new EndpointCandidate(endpoint.Workload, ResolvePort(service, endpoint, port), rank, excluded));
        }

        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates[i] is { Excluded: null } candidate)
            {
                candidates[i] = candidate with
                {
                    Excluded = candidate.Rank < best ? $"others are nearer (rank {candidate.Rank} of {best})" : candidate.Workload.Capacity == 0 ? "its capacity is 0" : null,
                };
            }
        }

        return candidates.DrainToImmutable();
    }

    /// <summary>How near an endpoint is that can serve a port which the service declares; larger is nearer. Null when it cannot.</summary>
    internal static int? RankOf(Workload source, MeshService service, MeshEndpoint endpoint, int port) =>
        IsEligible(source, service, endpoint, port, TargetPortOf(service, port), PortRule.Declared, out var rank) ? rank : null;

    private static bool IsEligible(
        Workload source, MeshService service, MeshEndpoint endpoint, int port, int? target, PortRule rule, out int rank) =>
        Exclusion(source, service, endpoint, port, target, rule, out rank) is null;

    /// <summary>Why an endpoint cannot serve; null when it can.</summary>
    private static string? Exclusion(
        Workload source, MeshService service, MeshEndpoint endpoint, int port, int? target, PortRule rule, out int rank)
    {
        rank = 0;
        var workload = endpoint.Workload;
        if (target is null && (rule == PortRule.Declared || workload.ApplicationTunnel is null))
        {
            return "the service does not declare the port";
        }

        if (target == 0 && MappedPort(endpoint, port) == 0 && workload.ApplicationTunnel is not { Port: > 0 })
        {
            return "the port is named, and it has none of that name";
        }

        var reachable = !workload.Addresses.IsDefaultOrEmpty || workload.Hostname.Length > 0
            || (workload.Network != source.Network && workload.NetworkGateway is not null);
        return !reachable ? "it has no address, no host name and no gateway to its network"
            : IsPreferred(source, workload, service.LoadBalancing, out rank) ? null
            : "it is not in the locality that the service insists on";
    }

    /// <summary>Target port that the service declares: 0 when named, null when the port is not declared.</summary>
    private static int? TargetPortOf(MeshService service, int port)
    {
        foreach (ref readonly var declared in service.Ports.AsSpan())
        {
            if (declared.Port == port)
            {
                return declared.TargetPort;
            }
        }

        return null;
    }

    private static int MappedPort(MeshEndpoint endpoint, int port)
    {
        foreach (ref readonly var mapped in endpoint.Ports.AsSpan())
        {
            if (mapped.Port == port)
            {
                return mapped.TargetPort;
            }
        }

        return 0;
    }

    private static bool IsPreferred(Workload source, Workload endpoint, LoadBalancing? rules, out int rank)
    {
        rank = 0;
        if (rules is null || rules.Mode is LoadBalancingMode.Standard or LoadBalancingMode.Passthrough)
        {
            return true;
        }

        var scopes = rules.RoutingPreference.AsSpan();
        var matches = 0;
        for (var i = 0; i < scopes.Length; i++)
        {
            var networkFirst = i == 0 && scopes[i] == LoadBalancingScope.Network;
            if (Matches(source, endpoint, scopes[i]))
            {
                matches++;

                // Any endpoint of the own network goes before every remote one; the remote ones are still ranked.
                rank += networkFirst ? scopes.Length : 1;
            }
            else if (!networkFirst)
            {
                break;
            }
        }

        return rules.Mode == LoadBalancingMode.Failover || matches == scopes.Length;
    }

    private static bool Matches(Workload source, Workload endpoint, LoadBalancingScope scope) => scope switch
    {
        LoadBalancingScope.Region => source.Locality.Region == endpoint.Locality.Region,
        LoadBalancingScope.Zone => source.Locality.Zone == endpoint.Locality.Zone,
        LoadBalancingScope.Subzone => source.Locality.Subzone == endpoint.Locality.Subzone,
        LoadBalancingScope.Node => source.Node == endpoint.Node,
        LoadBalancingScope.Cluster => source.ClusterId == endpoint.ClusterId,
        LoadBalancingScope.Network => source.Network == endpoint.Network,
        _ => false,
    };

    /// <summary>
    /// The address of a workload to dial: the one the client asked for if it is one of them, else one that the service's
    /// families admit, of the client's family if possible. Null when it has none.
    /// </summary>
    internal static IPAddress? ChooseAddress(Workload workload, MeshService? service, IPAddress asked)
    {
        IPAddress? sameFamily = null, any = null;
        foreach (var address in workload.Addresses.AsSpan())
        {
            if (address.Equals(asked))
            {
                return address;
            }

            if (IsAdmitted(service, address))
            {
                any ??= address;
                sameFamily ??= address.AddressFamily == asked.AddressFamily ? address : null;
            }
        }

        return sameFamily ?? any;
    }

    private static bool IsAdmitted(MeshService? service, IPAddress address) => service?.IPFamilies switch
    {
        IPFamilies.IPv4Only => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork,
        IPFamilies.IPv6Only => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6,
        _ => true,
    };
}
