using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Ambient.Mesh;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Requests;

/// <summary>
/// What is logged, counted and traced of requests at one place: Istio's Telemetry objects over what the mesh says, the narrower over the wider. Root
/// namespace, then namespace, then what is attached to the gateway's class, to the gateway and to the service; of several in one rank the oldest.
/// </summary>
internal sealed class PlaceTelemetry
{
    /// <summary>Provider that every mesh has: Envoy's log on standard output.</summary>
    public const string EnvoyLog = "envoy";

    private static readonly ConditionalWeakTable<TrafficTelemetry, PlaceTelemetry> s_compiled = [];

    private readonly RequestTelemetry[] _sources;
    private readonly MeshTelemetry _mesh;
    private readonly bool _meshLogs;

    private PlaceTelemetry(RequestTelemetry[] sources, MeshTelemetry mesh, bool meshLogs, bool isClient)
    {
        (_sources, _mesh, _meshLogs) = (sources, mesh, meshLogs);
        Metrics = MetricOverrides.Of(sources.SelectMany(source => source.Metrics).Where(rule => Concerns(rule.Mode, isClient)));
        Logs = LogsOf(sources.SelectMany(source => source.AccessLogs).Where(rule => Concerns(rule.Mode, isClient)), mesh, meshLogs);
        Tracing = TracingOf(sources.SelectMany(source => source.Tracing).Where(rule => Concerns(rule.Mode, isClient)), mesh);
    }

    private PlaceTelemetry(TrafficTelemetry told)
    {
        (_sources, _mesh) = ([], MeshTelemetry.None);
        Metrics = MetricOverrides.Of(told.Metrics);
        Logs = [.. told.Logs.Select(AccessLogSink.Of)];
        Tracing = told.Tracing is { } tracing ? TracingSettings.Of(tracing) : null;
    }

    /// <summary>Nothing said: our own access line, all metrics, no traces.</summary>
    public static PlaceTelemetry Default { get; } = new([], MeshTelemetry.None, meshLogs: true, isClient: false);

    /// <summary>Where requests are logged; nowhere: they are not.</summary>
    public ImmutableArray<AccessLogSink> Logs { get; }

    /// <summary>What is changed of metrics; null: nothing.</summary>
    public MetricOverrides? Metrics { get; }

    /// <summary>How requests are traced; null: nobody wants their spans.</summary>
    public TracingSettings? Tracing { get; }

    /// <summary>Compiles what a control plane says of some traffic, once for each instance of it.</summary>
    public static PlaceTelemetry Of(TrafficTelemetry? told) => told is null ? Default : s_compiled.GetValue(told, static told => new PlaceTelemetry(told));

    /// <summary>Compiles what holds at a place.</summary>
    /// <param name="requests">Gateways and what is said of telemetry.</param>
    /// <param name="gateway">The waypoint or gateway.</param>
    /// <param name="service">The service that requests are for, or null.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again where nothing has changed of it.</param>
    public static PlaceTelemetry Of(RequestConfiguration requests, Mesh.Gateway gateway, MeshService? service, PlaceTelemetry? earlier)
    {
        ArgumentNullException.ThrowIfNull(requests);
        ArgumentNullException.ThrowIfNull(gateway);
        if (requests is { LogsAccess: true, Telemetries.IsEmpty: true } && requests.Telemetry.Equals(MeshTelemetry.None))
        {
            return Default;
        }

        RequestTelemetry[] sources =
        [
            .. requests.Telemetries.Values
                .Select(telemetry => (Rank: RankOf(telemetry, requests, gateway, service), Telemetry: telemetry))
                .Where(ranked => ranked.Rank >= 0)
                .GroupBy(ranked => ranked.Rank, ranked => ranked.Telemetry)
                .OrderBy(rank => rank.Key)
                .Select(rank => rank.OrderBy(telemetry => telemetry.CreationTime).ThenBy(telemetry => telemetry.Key, StringComparer.Ordinal).First()),
        ];
        return earlier is not null && earlier._meshLogs == requests.LogsAccess && earlier._mesh.Equals(requests.Telemetry) && earlier._sources.AsSpan().SequenceEqual(sources)
            ? earlier
            : new PlaceTelemetry(sources, requests.Telemetry, requests.LogsAccess, isClient: !gateway.IsWaypoint);
    }

    /// <summary>How near a Telemetry is to a place, from 0; -1: it does not concern it.</summary>
    private static int RankOf(RequestTelemetry telemetry, RequestConfiguration requests, Mesh.Gateway gateway, MeshService? service)
    {
        var (isRoot, isOwn) = (telemetry.Namespace == requests.RootNamespace, telemetry.Namespace == gateway.Namespace);
        if (telemetry.Targets.IsDefaultOrEmpty)
        {
            return telemetry.Selector is { } selector
                ? isOwn && !gateway.IsWaypoint && selector.All(wanted => gateway.PodLabels.TryGetValue(wanted.Key, out var value) && value == wanted.Value) ? 3 : -1
                : isRoot ? 0 : isOwn ? 1 : -1;
        }

        return telemetry.Targets.Max(target => target switch
        {
            { Group: "gateway.networking.k8s.io", Kind: "GatewayClass" } => isRoot && target.Name == gateway.ClassName ? 2 : -1,
            { Group: "gateway.networking.k8s.io", Kind: "Gateway" } => isOwn && target.Name == gateway.Name ? 4 : -1,
            { Group: "" or "core", Kind: "Service" } or { Group: "networking.istio.io", Kind: "ServiceEntry" } =>
                service is not null && service.Namespace == telemetry.Namespace && target.Name == service.Name
                && service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal) == (target.Kind == "Service") ? 5 : -1,
            _ => -1,
        });
    }

    private static bool Concerns(TelemetryMode mode, bool isClient) => mode == TelemetryMode.ClientAndServer || (mode == TelemetryMode.Client) == isClient;

    private static ImmutableArray<AccessLogSink> LogsOf(IEnumerable<AccessLogRule> rules, MeshTelemetry mesh, bool meshLogs)
    {
        var (logs, filter) = (meshLogs || !mesh.AccessLogProviders.IsEmpty, (string?)null);
        var providers = mesh.AccessLogProviders;
        foreach (var rule in rules)
        {
            providers = rule.Providers.IsEmpty ? providers : rule.Providers;
            (logs, filter) = (!rule.IsDisabled, rule.Filter ?? filter);
        }

        if (!logs)
        {
            return [];
        }

        var taken = filter is null ? null : AccessLogFilter.Of(filter);
        AccessLogOutput[] outputs = [.. providers.Select(name => OutputOf(name, mesh)).OfType<AccessLogOutput>().Distinct()];
        return [.. (outputs is [] ? [new AccessLogOutput { Format = mesh.AccessLog }] : outputs).Select(output => AccessLogSink.Of(output, taken))];
    }

    /// <summary>What a provider writes; null: nothing that is written here.</summary>
    private static AccessLogOutput? OutputOf(string name, MeshTelemetry mesh) => mesh.Find(name) switch
    {
        { AccessLog: { } form } => new AccessLogOutput { Format = form },
        { AccessLogCollector: { } collector } => new AccessLogOutput { Collector = collector },
        _ when name == EnvoyLog => new AccessLogOutput { Format = mesh.AccessLog ?? new AccessLogFormat(false, null) },
        _ => null,
    };

    private static TracingSettings? TracingOf(IEnumerable<TracingRule> rules, MeshTelemetry mesh)
    {
        var providers = mesh.TracingProviders;
        var (sampling, disabled, byId, istio, propagates) = (mesh.Sampling ?? 1, false, true, true, true);
        var tags = new SortedDictionary<string, SpanTag>(StringComparer.Ordinal);
        foreach (var rule in rules)
        {
            providers = rule.Providers.IsEmpty ? providers : rule.Providers;
            (sampling, disabled) = (rule.Sampling ?? sampling, rule.IsDisabled ?? disabled);
            (byId, istio, propagates) = (rule.UsesRequestId ?? byId, rule.HasIstioTags ?? istio, rule.PropagatesContext ?? propagates);
            foreach (var tag in rule.Tags)
            {
                tags[tag.Name] = tag;
            }
        }

        return disabled ? null : TracingSettings.Of(new TrafficTracing
        {
            Provider = providers.Select(mesh.Find).FirstOrDefault(provider => provider?.Collector is not null),
            Sampling = sampling,
            UsesRequestId = byId,
            HasIstioTags = istio,
            PropagatesContext = propagates,
            Tags = [.. tags.Values],
        });
    }
}
