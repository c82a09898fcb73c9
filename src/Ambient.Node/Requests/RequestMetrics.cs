using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Requests;

/// <summary>
/// Istio's request metrics. What labels depend on is the key, so a request that resembles an earlier one costs a lookup and makes no
/// string. Series are bounded by the registry's budget: past it new ones are counted as unknown on both sides, so that totals stay right.
/// </summary>
internal sealed class RequestMetrics
{
    private const int MaxCached = 10_000;
    private const int SeriesOfASet = 4;
    private const int SeriesOfAGrpcSet = 6;

    private const string Unknown = "unknown";

    // Threads that have a tally of their own; more than that share.
    private const int Tallies = 8;

    // Also for bytes, as in the reference.
    private static readonly double[] Buckets =
    [
        0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
    ];

    private readonly ConcurrentDictionary<Subject, Series> _bySubject = new();
    private readonly ConcurrentDictionary<string, Series> _byLabels = new(StringComparer.Ordinal);
    private readonly RequestTally?[] _tallies = new RequestTally?[Tallies];
    private readonly SeriesBudget _budget;
    private readonly string _reporter;
    private readonly string _security;
    private readonly CounterFamily _requests;
    private readonly HistogramFamily _duration;
    private readonly HistogramFamily _requestBytes;
    private readonly HistogramFamily _responseBytes;
    private readonly CounterFamily _requestMessages;
    private readonly CounterFamily _responseMessages;

    /// <summary>Creates the metrics in a registry.</summary>
    /// <param name="registry">Registry.</param>
    /// <param name="reporter"><c>waypoint</c>, or <c>source</c> for a gateway.</param>
    /// <param name="security">What <c>connection_security_policy</c> says: <c>mutual_tls</c> where clients are authenticated, else <c>none</c>.</param>
    public RequestMetrics(MetricRegistry registry, string reporter, string security)
    {
        _budget = registry.Budget;
        _reporter = reporter;
        _security = security;
        Policies = new PolicyMetrics(registry);
        _requests = registry.Add(new CounterFamily("istio_requests", "Requests that were answered."));
        _duration = registry.Add(new HistogramFamily("istio_request_duration_milliseconds", "Time from the head of a request to the end of its answer.", Buckets));
        _requestBytes = registry.Add(new HistogramFamily("istio_request_bytes", "Size of request bodies.", Buckets));
        _responseBytes = registry.Add(new HistogramFamily("istio_response_bytes", "Size of answer bodies.", Buckets));
        _requestMessages = registry.Add(new CounterFamily("istio_request_messages", "Messages of gRPC that clients sent."));
        _responseMessages = registry.Add(new CounterFamily("istio_response_messages", "Messages of gRPC that were answered."));
        registry.BeforeScrape(() => Array.ForEach(_tallies, static tally => tally?.Flush()));
    }

    /// <summary>Counts of what policies say.</summary>
    public PolicyMetrics Policies { get; }

    /// <summary>Counts a request that has ended.</summary>
    /// <param name="summary">What is known of it.</param>
    /// <param name="last">Where the last one of its connection was counted, which mostly is where this one is; null: nobody keeps that.</param>
    public void Count(in RequestSummary summary, LastSeries? last = null)
    {
        var subject = new Subject(summary);
        Series series;
        if (last is { Found: { } known } && subject.Equals(last.Of))
        {
            series = known;
        }
        else
        {
            series = SeriesOf(subject);
            if (last is not null)
            {
                (last.Of, last.Found) = (subject, series);
            }
        }

        // A thread that moves bytes counts for itself until somebody asks.
        if (HboneIo.CurrentThread is >= 0 and var thread)
        {
            ref var tally = ref _tallies[thread % Tallies];
            (Volatile.Read(ref tally) ?? Interlocked.CompareExchange(ref tally, new RequestTally(), null) ?? tally!).Count(series, summary);
        }
        else
        {
            series.Requests?.Increment();
            series.Duration?.Observe(summary.Duration.TotalMilliseconds);
            series.RequestBytes?.Observe(summary.RequestBytes);
            series.ResponseBytes?.Observe(summary.ResponseBytes);
        }

        series.RequestMessages?.Add(summary.RequestMessages);
        series.ResponseMessages?.Add(summary.ResponseMessages);
    }

    private Series SeriesOf(in Subject subject)
    {
        if (_bySubject.TryGetValue(subject, out var series))
        {
            return series;
        }

        if (_bySubject.Count >= MaxCached)
        {
            // Keys hold workloads of old snapshots: a cache only, the series themselves stay.
            _bySubject.Clear();
        }

        return _bySubject[subject] = Find(subject);
    }

    private Series Find(in Subject subject)
    {
        var labels = LabelsOf(subject);
        var key = KeyOf(labels, subject);
        if (_byLabels.TryGetValue(key, out var series))
        {
            return series;
        }

        var asked = subject;
        var (count, counters) = subject.IsGrpc ? (SeriesOfAGrpcSet, 3) : (SeriesOfASet, 1);
        if (!_budget.TryTake((counters + (3 * (Buckets.Length + 4))) * sizeof(long), labels, count))
        {
            asked = subject.WithoutParties();
            labels = LabelsOf(asked);
            key = KeyOf(labels, asked);
        }

        return _byLabels.GetOrAdd(key, static (_, state) => state.Metrics.NewSeries(state.Asked, state.Labels), (Metrics: this, Asked: asked, Labels: labels));
    }

    private static string KeyOf(MetricLabels labels, in Subject subject) => subject.Overrides is { } overrides ? $"{labels.Text}\n{overrides.Key}\n{subject.Attributes}" : labels.Text;

    private Series NewSeries(in Subject subject, MetricLabels labels)
    {
        var grpc = subject.IsGrpc;
        if (subject.Overrides is not { } overrides)
        {
            return new Series(
                _requests.SeriesWithin(labels), _duration.SeriesWithin(labels), _requestBytes.SeriesWithin(labels), _responseBytes.SeriesWithin(labels),
                grpc ? _requestMessages.SeriesWithin(labels) : null, grpc ? _responseMessages.SeriesWithin(labels) : null);
        }

        var (pairs, attributes) = (PairsOf(subject), subject.Attributes);
        return new Series(
            Labels(RequestMetric.RequestCount) is { } requests ? _requests.SeriesWithin(requests) : null,
            Labels(RequestMetric.RequestDuration) is { } duration ? _duration.SeriesWithin(duration) : null,
            Labels(RequestMetric.RequestSize) is { } size ? _requestBytes.SeriesWithin(size) : null,
            Labels(RequestMetric.ResponseSize) is { } answer ? _responseBytes.SeriesWithin(answer) : null,
            grpc && Labels(RequestMetric.GrpcRequestMessages) is { } sent ? _requestMessages.SeriesWithin(sent) : null,
            grpc && Labels(RequestMetric.GrpcResponseMessages) is { } received ? _responseMessages.SeriesWithin(received) : null);

        MetricLabels? Labels(RequestMetric metric) => overrides.Labels(metric, pairs, attributes);
    }

    private MetricLabels LabelsOf(in Subject subject) => MetricLabels.Of(PairsOf(subject));

    private (string Name, string Value)[] PairsOf(in Subject subject)
    {
        var source = subject.Source;
        var destination = subject.Destination;
        var service = subject.Service;
        return
        [
            ("reporter", _reporter),
            ("source_workload", Or(source?.WorkloadName)),
            ("source_canonical_service", Or(source?.CanonicalName)),
            ("source_canonical_revision", Or(source?.CanonicalRevision)),
            ("source_workload_namespace", Or(source?.Namespace)),
            ("source_principal", Or(subject.Identity?.ToString())),
            ("source_app", Or(source?.CanonicalName)),
            ("source_version", Or(source?.CanonicalRevision)),
            ("source_cluster", Or(source?.ClusterId)),
            ("destination_workload", Or(destination?.WorkloadName)),
            ("destination_workload_namespace", Or(destination?.Namespace)),
            ("destination_principal", Or(destination?.Protocol == TunnelProtocol.Hbone ? destination.Identity.ToString() : null)),
            ("destination_app", Or(destination?.CanonicalName)),
            ("destination_version", Or(destination?.CanonicalRevision)),
            ("destination_service", Or(service?.Hostname)),
            ("destination_canonical_service", Or(destination?.CanonicalName)),
            ("destination_canonical_revision", Or(destination?.CanonicalRevision)),
            ("destination_service_name", Or(service?.Name)),
            ("destination_service_namespace", Or(service?.Namespace)),
            ("destination_cluster", Or(destination?.ClusterId)),
            ("request_protocol", subject.IsGrpc ? "grpc" : "http"),
            ("response_code", subject.Code.ToString(CultureInfo.InvariantCulture)),
            ("grpc_response_status", subject.GrpcStatus ?? ""),
            ("response_flags", subject.Flags),
            ("connection_security_policy", _security),
        ];
    }

    private static string Or(string? value) => string.IsNullOrEmpty(value) ? Unknown : value;

    /// <summary>Where a request was counted. Not thread-safe.</summary>
    internal sealed class LastSeries
    {
        internal Subject Of;

        internal Series? Found;
    }

    /// <summary>Where requests are counted whose labels are the same.</summary>
    internal sealed record Series(
        Counter? Requests, Histogram? Duration, Histogram? RequestBytes, Histogram? ResponseBytes, Counter? RequestMessages, Counter? ResponseMessages);

    /// <summary>What the labels depend on. Mesh objects are compared by reference: snapshots share what did not change.</summary>
    internal readonly struct Subject : IEquatable<Subject>
    {
        public Subject(in RequestSummary summary)
        {
            Source = summary.Source;
            Identity = summary.Identity;
            Destination = summary.Destination;
            Service = summary.Service;
            IsGrpc = summary.IsGrpc;
            Code = summary.Code;
            GrpcStatus = Bounded(summary.GrpcStatus);
            Flags = summary.Flags;
            Overrides = summary.Overrides;
            Attributes = summary.Attributes;
        }

        public Workload? Source { get; private init; }

        public SpiffeId? Identity { get; private init; }

        public Workload? Destination { get; private init; }

        public MeshService? Service { get; private init; }

        public bool IsGrpc { get; private init; }

        public int Code { get; private init; }

        public string? GrpcStatus { get; private init; }

        public string Flags { get; private init; }

        public MetricOverrides? Overrides { get; private init; }

        public string? Attributes { get; private init; }

        public Subject WithoutParties() => this with { Source = null, Identity = null, Destination = null, Service = null, Attributes = null };

        public bool Equals(Subject other) =>
            ReferenceEquals(Source, other.Source) && ReferenceEquals(Destination, other.Destination) && ReferenceEquals(Service, other.Service)
            && Code == other.Code && IsGrpc == other.IsGrpc && ReferenceEquals(Flags, other.Flags) && ReferenceEquals(Overrides, other.Overrides) && GrpcStatus == other.GrpcStatus
            && Attributes == other.Attributes && (Identity?.Equals(other.Identity) ?? other.Identity is null);

        public override bool Equals(object? obj) => obj is Subject other && Equals(other);

        public override int GetHashCode() => HashCode.Combine(
            RuntimeHelpers.GetHashCode(Source), RuntimeHelpers.GetHashCode(Destination), RuntimeHelpers.GetHashCode(Service), Code, HashCode.Combine(GrpcStatus, Attributes), Flags, IsGrpc);

        // An endpoint may answer anything; only what gRPC defines becomes a label of its own.
        private static string? Bounded(string? status) =>
            status is null or { Length: 1 } || (status.Length == 2 && status[0] == '1' && status[1] is >= '0' and <= '6') ? status : Unknown;
    }
}
