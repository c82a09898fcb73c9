using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>What a cluster says of choice, limits and ejection: what a DestinationRule says where it is written by hand.</summary>
internal static class ClusterPolicy
{
    // What istiod writes where nobody set a limit, and where nobody set a time.
    private const uint NoLimit = uint.MaxValue;
    private static readonly TimeSpan s_usualConnectTime = TimeSpan.FromSeconds(10);

    /// <summary>Reads it; <see cref="TrafficPolicy.None"/> where it says what everybody has.</summary>
    public static TrafficPolicy Read(Cluster wire, UpstreamHttpOptions? http)
    {
        var policy = new TrafficPolicy
        {
            Balancer = Balancer(wire),
            ConnectionPool = Pool(wire, http),
            OutlierDetection = Outliers(wire.OutlierDetection),
            RetryBudget = wire.CircuitBreakers?.Thresholds.Select(thresholds => thresholds.RetryBudget).FirstOrDefault(budget => budget is not null) is { } budget
                ? new RetryBudget(budget.BudgetPercent?.Value ?? RetryBudget.Default.Percent, (int)Math.Min(budget.MinRetryConcurrency ?? 3, int.MaxValue)) { Interval = Positive(budget.BudgetInterval) }
                : null,
        };
        return policy.Equals(TrafficPolicy.None) ? TrafficPolicy.None : policy;
    }

    /// <summary>The table that requests to the cluster are hashed by; null: they are not.</summary>
    public static ConsistentHash? Table(Cluster wire) => wire.LbPolicy switch
    {
        Cluster.Types.LbPolicy.RingHash => new ConsistentHash(HashSource.SourceAddress, "")
        {
            TableSize = (int)Math.Clamp(wire.RingHashLbConfig?.MinimumRingSize ?? 1024, 1, 1 << 20),
        },
        Cluster.Types.LbPolicy.Maglev => new ConsistentHash(HashSource.SourceAddress, "")
        {
            IsMaglev = true,
            TableSize = (int)Math.Clamp(wire.MaglevLbConfig?.TableSize ?? 65537, 1, 5_000_011),
        },
        _ => null,
    };

    private static BalancerSettings? Balancer(Cluster wire)
    {
        var settings = new BalancerSettings
        {
            Algorithm = wire switch
            {
                { ClusterDiscoveryTypeCase: Cluster.ClusterDiscoveryTypeOneofCase.Type, Type: Cluster.Types.DiscoveryType.OriginalDst } => BalancerAlgorithm.Passthrough,
                { LbPolicy: Cluster.Types.LbPolicy.RoundRobin } => BalancerAlgorithm.RoundRobin,
                { LbPolicy: Cluster.Types.LbPolicy.Random } => BalancerAlgorithm.Random,
                _ => BalancerAlgorithm.LeastRequest,
            },
            Warmup = (wire.RoundRobinLbConfig?.SlowStartConfig ?? wire.LeastRequestLbConfig?.SlowStartConfig) is { SlowStartWindow: { } window } slow
                ? new Warmup(window.ToTimeSpan(), slow.MinWeightPercent?.Value ?? 10, slow.Aggression?.DefaultValue is > 0 and var aggression ? aggression : 1)
                : null,
        };
        return settings.Equals(BalancerSettings.Default) ? null : settings;
    }

    private static ConnectionPoolSettings? Pool(Cluster wire, UpstreamHttpOptions? http)
    {
        var limits = wire.CircuitBreakers?.Thresholds is [var first, ..] ? first : null;
        var common = http?.CommonHttpProtocolOptions;
        var keepAlive = wire.UpstreamConnectionOptions?.TcpKeepalive;
        var connect = wire.ConnectTimeout?.ToTimeSpan();
        var pool = new ConnectionPoolSettings
        {
            MaxConnections = Limit(limits?.MaxConnections),
            MaxPendingRequests = Limit(limits?.MaxPendingRequests),
            MaxRequests = Limit(limits?.MaxRequests),
            MaxRetries = Limit(limits?.MaxRetries),
            ConnectTimeout = connect == s_usualConnectTime ? null : connect,
            KeepAlive = keepAlive is null ? null : new TcpKeepAlive(Seconds(keepAlive.KeepaliveTime), Seconds(keepAlive.KeepaliveInterval), (int?)Math.Min(keepAlive.KeepaliveProbes ?? 0, 127) is > 0 and var probes ? probes : null),
            MaxRequestsPerConnection = common?.MaxRequestsPerConnection is > 0 and <= int.MaxValue and var requests ? (int)requests : null,
            IdleTimeout = Positive(common?.IdleTimeout),
            MaxConnectionDuration = Positive(common?.MaxConnectionDuration),
            MaxConcurrentStreams = http?.ExplicitHttpConfig?.Http2ProtocolOptions?.MaxConcurrentStreams is > 0 and <= int.MaxValue and var streams ? (int)streams : null,
            Http2KeepAlive = Pings(http?.ExplicitHttpConfig?.Http2ProtocolOptions?.ConnectionKeepalive),
            UsesClientProtocol = http?.UpstreamProtocolOptionsCase == UpstreamHttpOptions.UpstreamProtocolOptionsOneofCase.UseDownstreamProtocolConfig,
        };
        return pool.Equals(new ConnectionPoolSettings()) ? null : pool;
    }

    private static Http2KeepAlive? Pings(KeepaliveSettings? wire) =>
        wire is null ? null : new Http2KeepAlive(Positive(wire.Interval) is { } interval ? TimeSpan.FromTicks(Math.Max(interval.Ticks, TimeSpan.TicksPerSecond)) : null, Positive(wire.Timeout));

    private static Mesh.OutlierDetection? Outliers(Protos.Envoy.OutlierDetection? wire)
    {
        if (wire is null)
        {
            return null;
        }

        var usual = new Mesh.OutlierDetection();
        return usual with
        {
            // What is counted but enforced on nobody ejects nobody.
            Consecutive5xxErrors = wire.EnforcingConsecutive5Xx == 0 ? 0 : Count(wire.Consecutive5Xx, usual.Consecutive5xxErrors),
            ConsecutiveGatewayErrors = wire.EnforcingConsecutiveGatewayFailure is > 0 ? Count(wire.ConsecutiveGatewayFailure, 5) : 0,
            SplitsLocalOriginErrors = wire.SplitExternalLocalOriginErrors,
            ConsecutiveLocalOriginFailures = wire.EnforcingConsecutiveLocalOriginFailure == 0 ? 0 : Count(wire.ConsecutiveLocalOriginFailure, usual.ConsecutiveLocalOriginFailures),
            Interval = Positive(wire.Interval) ?? usual.Interval,
            BaseEjectionTime = Positive(wire.BaseEjectionTime) ?? usual.BaseEjectionTime,
            MaxEjectionPercent = (int)Math.Min(wire.MaxEjectionPercent ?? (uint)usual.MaxEjectionPercent, 100),
        };
    }

    private static int Count(uint? value, int otherwise) => (int)Math.Min(value ?? (uint)otherwise, int.MaxValue);

    private static int? Limit(uint? value) => value is null or NoLimit ? null : (int)Math.Min(value.Value, int.MaxValue);

    private static TimeSpan? Seconds(uint? value) => value is null ? null : TimeSpan.FromSeconds(value.Value);

    private static TimeSpan? Positive(Duration? value) => value?.ToTimeSpan() is { } time && time > TimeSpan.Zero ? time : null;
}
