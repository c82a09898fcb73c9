using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>What of a cluster is passed over or done in another way, where it is set to anything but the usual.</summary>
internal static class ClusterNotes
{
    private const int TunnelPort = 15008;

    // V4_ONLY of Envoy's DnsLookupFamily, which istiod writes where addresses of version 6 are not used.
    private const int VersionFour = 1;

    private static readonly TimeSpan UsualRefresh = TimeSpan.FromSeconds(60);

    /// <summary>Names it.</summary>
    public static void Add(Cluster wire, UpstreamHttpOptions? http, Problems problems)
    {
        var where = $"cluster {wire.Name}";
        var outliers = wire.OutlierDetection;
        problems.NoteIf(outliers?.EnforcingSuccessRate > 0 || outliers?.EnforcingLocalOriginSuccessRate > 0, where, "ejection by success rate");
        problems.NoteIf((wire.RoundRobinLbConfig?.SlowStartConfig ?? wire.LeastRequestLbConfig?.SlowStartConfig)?.Aggression?.RuntimeKey.Length > 0, where, "a key of Envoy's runtime");
        problems.NoteIf(
            wire.DnsRefreshRate?.ToTimeSpan() != UsualRefresh && wire.DnsRefreshRate is not null, where, "how often names are looked up; they are looked up every 30 s");
        problems.NoteIf(wire.DnsLookupFamily > VersionFour, where, "which kinds of addresses names are looked up for");
        problems.NoteIf(wire.RespectDnsTtl && wire.DnsRefreshRate is null, where, "how long names hold");
        problems.NoteIf(wire.OriginalDstLbConfig is { } original && (original.UpstreamPortOverride is not (null or TunnelPort) || original.MetadataKey.IsEmpty), where, "another port of tunnels than 15008");
        problems.NoteIf(http?.ExplicitHttpConfig?.HttpProtocolOptions is { } http1 && (http1.AcceptHttp10 || http1.HeaderKeyFormat.Length > 0), where, "HTTP/1.0, or the case of header names");
        problems.NoteIf(http?.UpstreamHttpProtocolOptions is { } tls && (tls.AutoSni || !tls.AutoSanValidation) && wire is { TransportSocket: not null, ClusterDiscoveryTypeCase: not Cluster.ClusterDiscoveryTypeOneofCase.ClusterType }, where, "the server name of each request; it is what is written, and always verified");
    }
}
