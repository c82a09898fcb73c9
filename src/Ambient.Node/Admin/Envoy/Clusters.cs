using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary>Clusters that were received, and their endpoints.</summary>
internal static class Clusters
{
    /// <summary>Reads a cluster; null: it is none.</summary>
    public static Cluster? Parse(ReceivedResource cluster)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        try
        {
            return Cluster.Parser.ParseFrom(cluster.Bytes);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Name under which a cluster's endpoints come.</summary>
    public static string AssignmentName(Cluster cluster)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        return cluster.EdsClusterConfig?.ServiceName is { Length: > 0 } service ? service : cluster.Name;
    }

    /// <summary>The endpoints of a cluster: its own, or those that came for it. Null: none are known.</summary>
    public static ByteString? AssignmentOf(Cluster cluster, IReadOnlyDictionary<string, ReceivedResource> assignments)
    {
        ArgumentNullException.ThrowIfNull(assignments);
        return cluster is { ClusterDiscoveryTypeCase: Cluster.ClusterDiscoveryTypeOneofCase.Type, Type: Cluster.Types.DiscoveryType.Eds }
            ? assignments.GetValueOrDefault(AssignmentName(cluster))?.Bytes
            : cluster.LoadAssignment?.ToByteString();
    }
}
