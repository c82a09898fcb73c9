using Ambient.Node.Discovery.Xds.Envoy.Clusters;

namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>Where telemetry goes: services of the mesh, by the clusters that lead to them.</summary>
internal static class CollectorAddress
{
    /// <summary>The address of a cluster's service; null: the name says none.</summary>
    /// <param name="cluster">Name of the cluster.</param>
    /// <param name="uri">An address with the path, whose host is not looked at; null: there is no path.</param>
    public static Uri? Of(string cluster, string? uri = null)
    {
        if (ClusterName.Parse(cluster) is not { } name || Uri.CheckHostName(name.Host) == UriHostNameType.Unknown)
        {
            return null;
        }

        return Uri.TryCreate($"http://{name.Host}:{name.Port}{PathOf(uri ?? "")}", UriKind.Absolute, out var address) ? address : null;
    }

    // With a scheme or without one.
    private static string PathOf(string uri)
    {
        var scheme = uri.IndexOf("://", StringComparison.Ordinal);
        var path = uri.IndexOf('/', scheme < 0 ? 0 : scheme + 3);
        return path < 0 ? "/" : uri[path..];
    }
}
