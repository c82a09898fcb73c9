using System.Collections.Immutable;
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

    private const int EverySample = 10_000;

    private readonly RequestTelemetry[] _sources;
    private readonly MeshTelemetry _mesh;
    private readonly bool _meshLogs;

    private PlaceTelemetry(RequestTelemetry[] sources, MeshTelemetry mesh, bool meshLogs, bool isClient)
    {
        (_sources, _mesh, _meshLogs) = (sources, mesh, meshLogs);
        Metrics = MetricOverrides.Of(sources.SelectMany(source => source.Metrics).Where(rule => Concerns(rule.Mode, isClient)));
        (LogsAccess, Template, Filter) = LogOf(sources.SelectMany(source => source.AccessLogs).Where(rule => Concerns(rule.Mode, isClient)), mesh, meshLogs);
        Tracing = TracingOf(sources.SelectMany(source => source.Tracing).Where(rule => Concerns(rule.Mode, isClient)), mesh);
    }

    /// <summary>Nothing said: our own access line, all metrics, no traces.</summary>
    public static PlaceTelemetry Default { get; } = new([], MeshTelemetry.None, meshLogs: true, isClient: false);

    /// <summary>Whether requests are logged.</summary>
    public bool LogsAccess { get; }

    /// <summary>Form of a line; null: our own.</summary>
    public AccessLogTemplate? Template { get; }

    /// <summary>Which requests are logged; null: all.</summary>
    public AccessLogFilter? Filter { get; }

    /// <summary>What is changed of metrics; null: nothing.</summary>
    public MetricOverrides? Metrics { get; }

    /// <summary>How requests are traced; null: nobody wants their spans.</summary>
    public TracingSettings? Tracing { get; }

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
            : new PlaceTelemetry(sources, requests.Telemetry, requests.LogsAccess, isClient: gateway.ClassName != "istio-waypoint");
    }

    /// <summary>How near a Telemetry is to a place, from 0; -1: it does not concern it.</summary>
    private static int RankOf(RequestTelemetry telemetry, RequestConfiguration requests, Mesh.Gateway gateway, MeshService? service)
    {
        var (isRoot, isOwn) = (telemetry.Namespace == requests.RootNamespace, telemetry.Namespace == gateway.Namespace);
        if (telemetry.Targets.IsDefaultOrEmpty)
        {
            return telemetry.Selector is { } selector
                ? isOwn && gateway.ClassName != "istio-waypoint" && selector.All(wanted => gateway.PodLabels.TryGetValue(wanted.Key, out var value) && value == wanted.Value) ? 3 : -1
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

    private static (bool Logs, AccessLogTemplate? Template, AccessLogFilter? Filter) LogOf(IEnumerable<AccessLogRule> rules, MeshTelemetry mesh, bool meshLogs)
    {
        var (logs, filter) = (meshLogs || !mesh.AccessLogProviders.IsEmpty, (string?)null);
        var providers = mesh.AccessLogProviders;
        foreach (var rule in rules)
        {
            providers = rule.Providers.IsEmpty ? providers : rule.Providers;
            (logs, filter) = (!rule.IsDisabled, rule.Filter ?? filter);
        }

        // Of several providers the first: they all write to the one log of a process.
        var form = providers.IsEmpty ? mesh.AccessLog
            : providers.Select(name => mesh.Find(name)?.AccessLog).FirstOrDefault(form => form is not null)
                ?? (providers.Contains(EnvoyLog) ? mesh.AccessLog ?? new AccessLogFormat(false, null) : mesh.AccessLog);
        return (logs, form is null ? null : TemplateOf(form), filter is null ? null : AccessLogFilter.Of(filter));
    }

    private static AccessLogTemplate TemplateOf(AccessLogFormat form) => form is { IsJson: false, Format: null } ? AccessLogTemplate.Text : AccessLogTemplate.Of(form);

    private static TracingSettings? TracingOf(IEnumerable<TracingRule> rules, MeshTelemetry mesh)
    {
        var providers = mesh.TracingProviders;
        var (sampling, disabled, byId, istio) = (mesh.Sampling ?? 1, false, true, true);
        var tags = new SortedDictionary<string, SpanTag>(StringComparer.Ordinal);
        foreach (var rule in rules)
        {
            providers = rule.Providers.IsEmpty ? providers : rule.Providers;
            (sampling, disabled) = (rule.Sampling ?? sampling, rule.IsDisabled ?? disabled);
            (byId, istio) = (rule.UsesRequestId ?? byId, rule.HasIstioTags ?? istio);
            foreach (var tag in rule.Tags)
            {
                tags[tag.Name] = tag;
            }
        }

        var provider = providers.Select(mesh.Find).FirstOrDefault(provider => provider?.Collector is not null);
        return disabled ? null : new TracingSettings
        {
            Provider = provider,
            Sampling = (int)Math.Round(sampling * EverySample / 100),
            UsesRequestId = byId,
            HasIstioTags = istio,
            Tags = [.. tags.Values.Select(OfProcess)],
        };
    }

    private static SpanTag OfProcess(SpanTag tag) => tag.Source == SpanTagSource.Environment
        ? tag with { Source = SpanTagSource.Literal, Key = Environment.GetEnvironmentVariable(tag.Key) is { Length: > 0 } value ? value : tag.Default ?? "" }
        : tag;
}
