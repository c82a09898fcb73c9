using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>A cluster that has an endpoint behind something.</summary>
/// <param name="Endpoint">The endpoint.</param>
/// <param name="Cluster">The cluster.</param>
/// <param name="Service">Key of its service.</param>
internal sealed record HopUse(EnvoyEndpoint Endpoint, EnvoyCluster Cluster, string Service);

/// <summary>
/// Endpoints of a service that are behind its waypoint, or behind another network's gateway: one workload for each of these that stands for all behind it,
/// as istiod tells no more of them.
/// </summary>
internal static class HopAssembly
{
    /// <summary>The workload, and its labels; null: nothing can be reached through it.</summary>
    /// <param name="uses">What leads through one waypoint or gateway to one service.</param>
    /// <param name="network">Network of the proxy.</param>
    /// <param name="problems">Takes what cannot be reached.</param>
    public static (Workload Entrance, ImmutableDictionary<string, string>? Labels)? Of(IReadOnlyList<HopUse> uses, string network, Problems problems)
    {
        var (through, service) = (uses[0].Endpoint.Hop!.Through, uses[0].Service);
        var isNetwork = uses[0].Endpoint.Hop!.Target is not null;
        var ports = ImmutableArray.CreateBuilder<ServicePort>();
        var shares = ImmutableArray.CreateBuilder<EndpointShare>();
        ImmutableDictionary<string, string>.Builder? labels = null;
        foreach (var (endpoint, cluster, _) in uses)
        {
            var (host, port) = (cluster.Meaning.Host, cluster.Meaning.Port);
            if (isNetwork && !string.Equals(endpoint.Hop!.Target, $"{host}:{port.ToString(CultureInfo.InvariantCulture)}", StringComparison.OrdinalIgnoreCase))
            {
                problems.Add($"cluster {cluster.Name}", $"the gateway {through} is to be asked for {endpoint.Hop.Target}, which is another service");
                continue;
            }

            if (ports.All(known => known.Port != port))
            {
                ports.Add(new ServicePort(port, isNetwork ? port : endpoint.Port));
            }

            if (RuleAssembly.ShareOf(cluster, endpoint) is { } share)
            {
                shares.Add(share);
            }

            foreach (var (label, value) in RuleAssembly.LabelsOf(cluster, endpoint))
            {
                (labels ??= ImmutableDictionary.CreateBuilder<string, string>())[label] = value;
            }
        }

        if (ports.Count == 0)
        {
            return null;
        }

        var gateway = GatewayAddress.ByAddress(new NetworkAddress(network, through.Address), through.Port);
        var (said, slash) = (uses[0].Endpoint.Workload.Split(';'), service.IndexOf('/', StringComparison.Ordinal));
        return (new Workload
        {
            Uid = $"{(isNetwork ? "network" : "waypoint")}/{through}/{service}",
            Name = $"{service[(slash + 1)..]} through {through}",
            Namespace = service[..slash],
            WorkloadName = said[0],
            CanonicalName = said is [_, _, var canonical, ..] ? canonical : "",
            CanonicalRevision = said is [_, _, _, var revision, ..] ? revision : "",
            Addresses = isNetwork ? [] : [uses[0].Endpoint.Address],
            Network = isNetwork ? $"behind {through}" : network,
            NetworkGateway = isNetwork ? gateway : null,
            ServiceWaypoint = isNetwork ? null : gateway,
            Protocol = TunnelProtocol.Hbone,
            Locality = uses[0].Endpoint.Locality,
            Status = uses.Any(static use => use.Endpoint.IsHealthy) ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,
            Shares = shares.Count == 0 ? ImmutableDictionary<string, ImmutableArray<EndpointShare>>.Empty : ImmutableDictionary<string, ImmutableArray<EndpointShare>>.Empty.Add(service, shares.ToImmutable()),
            Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(service, ports.ToImmutable()),

            // It is nobody by itself, and found by no address.
            NetworkMode = NetworkMode.HostNetwork,
        }, labels?.ToImmutable());
    }
}
