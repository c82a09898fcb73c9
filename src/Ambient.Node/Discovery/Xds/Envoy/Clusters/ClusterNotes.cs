using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>What of a cluster is passed over or done in another way, where it is set to anything but the usual.</summary>
internal static class ClusterNotes
{
    private const int TunnelPort = 15008;

    /// <summary>Names it.</summary>
    public static void Add(Cluster wire, UpstreamHttpOptions? http, Problems problems)
    {
        var where = $"cluster {wire.Name}";
        var (lb, outliers, thresholds) = (wire.CommonLbConfig, wire.OutlierDetection, wire.CircuitBreakers?.Thresholds);
        problems.NoteIf(lb?.HealthyPanicThreshold?.Value > 0, where, "a panic threshold; unhealthy endpoints get nothing");
        problems.NoteIf(lb?.LocalityWeightedLbConfig is { Length: > 0 }, where, "shares of localities");
        problems.NoteIf(outliers?.EnforcingSuccessRate > 0 || outliers?.EnforcingLocalOriginSuccessRate > 0, where, "ejection by success rate");
        problems.NoteIf(thresholds?.Any(static threshold => threshold.RetryBudget?.BudgetInterval is not null) == true, where, "the interval of a retry budget; what is under way counts");
        problems.NoteIf((wire.RoundRobinLbConfig?.SlowStartConfig ?? wire.LeastRequestLbConfig?.SlowStartConfig)?.Aggression?.RuntimeKey.Length > 0, where, "a key of Envoy's runtime");
        problems.NoteIf(wire.DnsRefreshRate is not null || wire.RespectDnsTtl || wire.DnsLookupFamily != 0, where, "how names are looked up; they are not");
        problems.NoteIf(wire.OriginalDstLbConfig is { } original && (original.UpstreamPortOverride is not (null or TunnelPort) || original.MetadataKey.IsEmpty), where, "another port of tunnels than 15008");
        problems.NoteIf(http?.ExplicitHttpConfig?.HttpProtocolOptions is { } http1 && (http1.AcceptHttp10 || http1.HeaderKeyFormat.Length > 0), where, "HTTP/1.0, or the case of header names");
        problems.NoteIf(http?.ExplicitHttpConfig?.Http2ProtocolOptions?.ConnectionKeepalive is { Length: > 0 }, where, "pings of HTTP/2; connections have their own");
        problems.NoteIf(http?.UpstreamHttpProtocolOptions is { } tls && (tls.AutoSni || !tls.AutoSanValidation) && wire.TransportSocket is not null, where, "the server name of each request; it is what is written, and always verified");
    }
}
