using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Identity;
using Ambient.Mesh;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>
/// Istio's TCP metrics. A connection asks for its series once, as it begins, and counts on them without a lookup. Series are bounded by the
/// registry's budget, and those that peers name themselves by <see cref="MaxSeries"/> besides: past either, new label sets share one where
/// everything but the reporter is unknown. Totals stay right, and a peer that invents baggage can neither fill the memory nor take the room
/// of those that the mesh knows.
/// </summary>
internal sealed partial class TcpMetrics
{
    /// <summary>Label sets that peers name themselves, in their baggage, before new ones are pooled.</summary>
    public const int MaxSeries = 1000;

    // Opened, received, sent, closed; failures have labels of their own.
    private const int SeriesOfASet = 4;

    private const int MaxCached = 4096;

    private readonly ConcurrentDictionary<Subject, TcpSeries> _bySubject = new();
    private readonly ConcurrentDictionary<string, TcpSeries> _byLabels = new(StringComparer.Ordinal);
    private readonly ILogger _logger;
    private readonly TcpFamilies _families;
    private readonly GaugeFamily _sockets;
    private Gauge? _outboundSockets;
    private Gauge? _inboundSockets;
    private readonly SeriesBudget _budget;
    private int _told;
    private int _overflowLogged;

    /// <summary>Creates the metrics in a registry.</summary>
    public TcpMetrics(MetricRegistry registry, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _logger = loggers.CreateLogger("Metrics");
        _budget = registry.Budget;
        _families = new TcpFamilies(
            registry.Add(new CounterFamily("istio_tcp_connections_opened", "The total number of TCP connections opened.")),
            registry.Add(new CounterFamily("istio_tcp_connections_closed", "The total number of TCP connections closed.")),
            registry.Add(new CounterFamily("istio_tcp_received_bytes", "The size of total bytes received during request in case of a TCP connection.")),
            registry.Add(new CounterFamily("istio_tcp_sent_bytes", "The size of total bytes sent during response in case of a TCP connection.")),
            registry.Add(new CounterFamily("istio_tcp_connections_failed", "The total number of TCP connections that failed to establish (unstable).")));
        _sockets = registry.Add(new GaugeFamily("istio_tcp_sockets_open", "The current number of open TCP sockets (unstable)."));
    }

    /// <summary>Accepted sockets that are open.</summary>
    public Gauge SocketsOpen(TrafficDirection direction) => direction == TrafficDirection.Outbound
        ? _outboundSockets ??= _sockets.Series(ReporterLabel(direction))
        : _inboundSockets ??= _sockets.Series(ReporterLabel(direction));

    /// <summary>Shows sockets that somebody else counts, besides those of <see cref="SocketsOpen"/>.</summary>
    public void ObserveSockets(TrafficDirection direction, Func<long> source) =>
        _sockets.Observe(ReporterLabel(direction), () => source() + SocketsOpen(direction).Value);

    /// <summary>The series of a connection.</summary>
    public TcpSeries SeriesOf(ConnectionParties parties)
    {
        ArgumentNullException.ThrowIfNull(parties);

        // Baggage is the peer's word and new for each connection: no use to cache by it.
        var baggage = parties.SourceWorkload is null ? parties.SourceBaggage : null;
        if (baggage is not null || parties.DestinationPeer is not null)
        {
            return Find(parties, told: true);
        }

        var subject = new Subject(parties.Direction, parties.SourceWorkload, parties.SourceIdentity, parties.DestinationWorkload, parties.Service, parties.Overrides);
        if (_bySubject.TryGetValue(subject, out var series))
        {
            return series;
        }

        if (_bySubject.Count >= MaxCached)
        {
            // Workloads of old snapshots: a cache, not the series themselves.
            _bySubject.Clear();
        }

        return _bySubject[subject] = Find(parties, told: false);
    }

    private TcpSeries Find(ConnectionParties parties, bool told)
    {
        var labels = TcpLabels.Of(parties);
        var overrides = parties.Overrides;
        var key = overrides is null ? labels.Text : $"{labels.Text}\n{overrides.Key}";
        if (_byLabels.TryGetValue(key, out var series))
        {
            return series;
        }

        // Several threads may take room for the same set at once; the bound is then reached a little earlier.
        if (told && Interlocked.Increment(ref _told) > MaxSeries)
        {
            Interlocked.Decrement(ref _told);
            _budget.Fold();
            return Pooled(parties.Direction);
        }

        return _budget.TryTake(SeriesOfASet * sizeof(long), labels.With(ResponseFlag.None), SeriesOfASet)
            ? _byLabels.GetOrAdd(key, static (_, state) => new TcpSeries(state._families, state.labels, state.overrides), (_families, labels, overrides))
            : Pooled(parties.Direction);
    }

    private TcpSeries Pooled(TrafficDirection direction)
    {
        if (Interlocked.Exchange(ref _overflowLogged, 1) == 0)
        {
            LogOverflow(_logger, _byLabels.Count);
        }

        var labels = TcpLabels.Unknown(direction);
        return _byLabels.GetOrAdd(labels.Text, static (_, state) => new TcpSeries(state._families, state.labels, null), (_families, labels));
    }

    /// <summary>The label <c>reporter</c>.</summary>
    public static string ReporterOf(TrafficDirection direction) => direction == TrafficDirection.Outbound ? "source" : "destination";

    private static MetricLabels ReporterLabel(TrafficDirection direction) => MetricLabels.Of(("reporter", ReporterOf(direction)));

    [LoggerMessage(1000, LogLevel.Warning, "{Sets} label sets of TCP metrics are in use, and there is no room for more: connections with new ones are counted with labels \"unknown\" from here on (ambient_metrics_folded_total counts them). Restart to begin afresh")]
    private static partial void LogOverflow(ILogger logger, int sets);

    /// <summary>What the labels of a connection depend on. Objects are compared by reference: the mesh shares what did not change.</summary>
    private readonly struct Subject(
        TrafficDirection direction, Workload? source, SpiffeId? identity, Workload? destination, MeshService? service, MetricOverrides? overrides) : IEquatable<Subject>
    {
        private readonly TrafficDirection _direction = direction;
        private readonly Workload? _source = source;
        private readonly SpiffeId? _identity = identity;
        private readonly Workload? _destination = destination;
        private readonly MeshService? _service = service;
        private readonly MetricOverrides? _overrides = overrides;

        public bool Equals(Subject other) =>
            _direction == other._direction && ReferenceEquals(_source, other._source) && ReferenceEquals(_destination, other._destination)
            && ReferenceEquals(_service, other._service) && ReferenceEquals(_overrides, other._overrides) && (_identity?.Equals(other._identity) ?? other._identity is null);

        public override bool Equals(object? obj) => obj is Subject other && Equals(other);

        public override int GetHashCode() => HashCode.Combine(
            _direction, RuntimeHelpers.GetHashCode(_source), RuntimeHelpers.GetHashCode(_destination), RuntimeHelpers.GetHashCode(_service), _identity?.GetHashCode() ?? 0);
    }
}
