using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// Clusters whose endpoints are found by the name that a request or connection means (Envoy's dynamic forward proxy). Only the names within a wildcard are served, the one
/// that the cluster's host is, at the port that it is for: else whoever is let in could have anything dialled.
/// </summary>
internal static class DynamicHosts
{
    /// <summary>The endpoint that stands for the names; null where it is another kind of cluster, or cannot be served, and why.</summary>
    public static (EnvoyAssignment? Endpoints, string? Problem) Read(Cluster wire, ClusterName meaning)
    {
        if (wire.ClusterDiscoveryTypeCase != Cluster.ClusterDiscoveryTypeOneofCase.ClusterType)
        {
            return (null, null);
        }

        if (wire.ClusterType.TypedConfig?.TypeUrl != EnvoyTypes.DynamicHosts)
        {
            return (null, $"clusters of type {wire.ClusterType.Name} are not supported");
        }

        var config = Strict.Read(DynamicHostCluster.Parser, wire.ClusterType.TypedConfig.Value, out var isWhole);
        return !isWhole || config.DnsCacheConfig is null ? (null, "hosts by name with a field that is not known")
            : !meaning.Host.StartsWith("*.", StringComparison.Ordinal) ? (null, "hosts by any name, for its own host is no wildcard")
            : (new EnvoyAssignment(wire.Name, [new EnvoyEndpoint(IPAddress.None, meaning.Port, false, true, 1, 0, Mesh.Locality.Empty, "", meaning.Host) { Assignment = wire.Name }]), null);
    }

    /// <summary>Why a filter that looks names up for a chain must not be passed over; null: it may, for what is dialled its cluster says.</summary>
    public static string? ProblemOf(Google.Protobuf.WellKnownTypes.Any filter, int? port)
    {
        if (filter.TypeUrl == EnvoyTypes.DynamicHostsOfRequests)
        {
            var http = Strict.Read(DynamicHostFilter.Parser, filter.Value, out var isWhole);
            return isWhole && http.DnsCacheConfig is not null ? null : "names that are looked up in a way that is not known";
        }

        var sni = Strict.Read(DynamicHostSniFilter.Parser, filter.Value, out var isWholeSni);
        return !isWholeSni || sni.DnsCacheConfig is null ? "names that are looked up in a way that is not known"
            : sni.PortValue != port ? $"port {sni.PortValue} of names that are looked up at port {port}"
            : null;
    }
}
