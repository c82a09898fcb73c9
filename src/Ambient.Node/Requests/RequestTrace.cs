using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Node.Telemetry.Tracing;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>
/// The trace of one request: a span of the proxy as a server, and one as a client for each try. What is not recorded has no span, but its trace goes
/// on all the same, with the word that it is not recorded.
/// </summary>
internal sealed class RequestTrace
{
    private const string RequestIdHeader = "x-request-id";
    private const string ClientTraceHeader = "x-client-trace-id";
    private const string Decorator = "x-envoy-decorator-operation";

    // Where a UUID has its version, Envoy notes why a request is traced: 9 by chance, a at the service's word, b at the client's.
    private const int ReasonAt = 14;

    private readonly TracingSettings _settings;
    private readonly SpanExporter? _exporter;
    private readonly ActivitySource _source;
    private readonly TraceContext _parent;
    private readonly Activity? _server;
    private readonly string? _operation;
    private readonly bool _sampled;
    private TraceContext _own;
    private Activity? _try;

    private RequestTrace(RequestExchange exchange, TracingSettings settings, SpanExporter? exporter, ActivitySource source)
    {
        (_settings, _exporter, _source) = (settings, exporter, source);
        var fields = exchange.Head.Fields;
        _parent = TraceContext.Read(fields);
        
        // From outside an id is not believed: it gets another.
        _sampled = _parent.Sampled ?? Chooses(exchange.Arrival.IsIngress ? null : fields.Get(RequestIdHeader), fields.Contains(ClientTraceHeader), settings);
        _operation = fields.Get(Decorator) is { Length: > 0 and <= 256 } told ? told : null;
        if (_sampled)
        {
            var parent = _parent.IsTrace ? new ActivityContext(_parent.TraceId, _parent.SpanId, ActivityTraceFlags.Recorded, _parent.State, isRemote: true) : default;

            // What runs this may have an activity of its own, which is none of the request's.
            var around = Activity.Current;
            Activity.Current = null;
            _server = _source.StartActivity(NameOf(exchange), ActivityKind.Server, parent, startTime: StartOf(exchange));
            Activity.Current = around;
        }

        _own = _parent with
        {
            TraceId = _server?.TraceId ?? (_parent.IsTrace ? _parent.TraceId : ActivityTraceId.CreateRandom()),
            SpanId = _server?.SpanId ?? ActivitySpanId.CreateRandom(),
            Sampled = _server is not null,

            // Who has Zipkin has clients and endpoints that read its headers.
            Forms = _parent.Forms | (settings.Provider is { IsZipkin: true } ? TraceForms.B3Multi : TraceForms.None),
        };
    }

    /// <summary>The trace.</summary>
    public ActivityTraceId TraceId => _own.TraceId;

    /// <summary>The proxy's span.</summary>
    public ActivitySpanId SpanId => _own.SpanId;

    /// <summary>Whether a tag is made of what the access log knows.</summary>
    public bool NeedsEntry => _server is not null && _settings.NeedsEntry;

    /// <summary>Begins the trace of a request; null where nobody wants it.</summary>
    public static RequestTrace? Begin(RequestExchange exchange)
    {
        if (exchange.Arrival.Place?.Telemetry.Requests(exchange.Arrival.Destination.Port).Tracing is not { } settings || exchange.Services.Spans is not { } spans)
        {
            return null;
        }

        var exporter = settings.Provider is { } provider ? spans.Of(provider) : null;
        return exporter is null && !spans.AreHeard ? null : new RequestTrace(exchange, settings, exporter, spans.Source);
    }

    /// <summary>A try begins: the one before it is over, and the request says which span sends it.</summary>
    public void Try(RequestExchange exchange, UpstreamEndpoint endpoint)
    {
        EndTry(exchange);
        var head = exchange.Head;
        head.Fields.Remove(Decorator);
        if (_server is null)
        {
            Tell(head.Fields, _own.SpanId, _parent.IsTrace ? _parent.SpanId : null);
            return;
        }

        NoteReason(exchange);
        var around = Activity.Current;
        Activity.Current = null;
        _try = _source.StartActivity(NameOf(exchange), ActivityKind.Client, _server.Context, startTime: exchange.Services.Time.GetUtcNow());
        Activity.Current = around;
        if (_try is { } span)
        {
            Describe(span, exchange);
            span.SetTag("peer.address", endpoint.Address.ToString());
            if (exchange.Attempts > 1)
            {
                span.SetTag("retry.count", (exchange.Attempts - 1).ToString(CultureInfo.InvariantCulture));
            }
        }

        Tell(head.Fields, _try?.SpanId ?? _own.SpanId, _server.SpanId);
    }

    private void Tell(HttpFields fields, ActivitySpanId span, ActivitySpanId? parent)
    {
        if (_settings.PropagatesContext)
        {
            _own.Write(fields, span, parent);
        }
    }

    /// <summary>The request has ended.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="summary">What became of it.</param>
    /// <param name="entry">What the access log knows of it; where <see cref="NeedsEntry"/> does not hold it is not looked at.</param>
    public void End(RequestExchange exchange, in RequestSummary summary, in AccessLogEntry entry)
    {
        EndTry(exchange);
        if (_server is not { } span)
        {
            return;
        }

        Describe(span, exchange);
        span.SetTag("downstream_cluster", "-");
        span.SetTag("peer.address", exchange.Arrival.Source.Address.ToString());
        span.SetTag("user_agent", exchange.Head.Get("user-agent") ?? "-");
        span.SetTag("request_size", summary.RequestBytes.ToString(CultureInfo.InvariantCulture));
        span.SetTag("response_size", summary.ResponseBytes.ToString(CultureInfo.InvariantCulture));
        foreach (var (tag, format) in _settings.Tags)
        {
            if ((format is not null ? TextOf(format, entry) : tag.Source == SpanTagSource.Header ? exchange.Head.Get(tag.Key) ?? tag.Default : tag.Key) is { Length: > 0 } value)
            {
                span.SetTag(tag.Name, value);
            }
        }

        if (_settings.HasIstioTags)
        {
            Own(span, exchange.Arrival.Self);
            OnTrial(span, exchange.PolicyNotes);
            Party(span, "istio.source_", summary.Source);
            Party(span, "istio.destination_", summary.Destination);
        }

        Finish(span, exchange, summary.Code);
    }

    private void EndTry(RequestExchange exchange)
    {
        if (_try is { } span)
        {
            _try = null;
            Finish(span, exchange, exchange.Status);
        }
    }

    private void Finish(Activity span, RequestExchange exchange, int status)
    {
        span.SetTag("http.status_code", status.ToString(CultureInfo.InvariantCulture));
        span.SetTag("response_flags", exchange.Flags);
        if (exchange.GrpcStatus is { } grpc)
        {
            span.SetTag("grpc.status_code", grpc);
        }

        if (status is 0 or >= 500)
        {
            span.SetTag("error", "true");
            span.SetStatus(ActivityStatusCode.Error, exchange.Error);
        }

        span.SetEndTime(exchange.Services.Time.GetUtcNow().UtcDateTime);
        var around = Activity.Current;
        span.Stop();
        Activity.Current = around;
        _exporter?.Take(span, _settings.ServiceName ?? ServiceOf(exchange.Arrival.Self));
    }

    private void Describe(Activity span, RequestExchange exchange)
    {
        var head = exchange.Head;
        var target = exchange.Path.Target;
        var max = _settings.Provider?.MaxTagLength ?? 256;
        span.SetTag("component", "proxy");
        span.SetTag("node_id", exchange.Arrival.Self is { } self ? $"waypoint~{(self.Addresses.IsDefaultOrEmpty ? "" : self.Addresses[0])}~{self.Name}.{self.Namespace}" : "");
        span.SetTag("guid:x-request-id", exchange.RequestId.IsEmpty ? head.Get(RequestIdHeader) ?? "" : Encoding.Latin1.GetString(exchange.RequestId));
        span.SetTag("http.method", exchange.Method);
        span.SetTag("http.url", $"{exchange.Arrival.Scheme}://{exchange.Host}{(target.Length > max ? target[..max] : target)}");
        span.SetTag("http.protocol", head.Version switch { HttpProtocolVersion.Http2 => "HTTP/2", HttpProtocolVersion.Http10 => "HTTP/1.0", _ => "HTTP/1.1" });
        if (ClusterOf(exchange).ToString() is { Length: > 0 } cluster)
        {
            span.SetTag("upstream_cluster", cluster);
            span.SetTag("upstream_cluster.name", cluster);
        }

        if (exchange.IsGrpc)
        {
            span.SetTag("grpc.path", exchange.Path.Path);
            span.SetTag("grpc.authority", exchange.Host);
        }
    }

    private static string TextOf(AccessLogTemplate format, in AccessLogEntry entry)
    {
        var text = Utf8TextBuilder.Rent();
        format.Write(text, entry);
        var value = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return value;
    }

    /// <summary>What policies on trial say, as Istio's tags have it.</summary>
    private static void OnTrial(Activity span, ImmutableArray<PolicyNote> notes)
    {
        foreach (var note in notes.AsSpan())
        {
            var (of, result) = note.Kind switch
            {
                PolicyNoteKind.DryRunDenies => ("deny", "denied"),
                PolicyNoteKind.DryRunDoesNotDeny => ("deny", "allowed"),
                PolicyNoteKind.DryRunAllows => ("allow", "allowed"),
                PolicyNoteKind.DryRunAllowsNot => ("allow", "denied"),
                _ => ("", ""),
            };
            if (of.Length > 0)
            {
                span.SetTag($"istio.authorization.dry_run.{of}_policy.result", result);
                span.SetTag($"istio.authorization.dry_run.{of}_policy.name", note.Policy);
            }
        }
    }

    private static void Own(Activity span, Workload? self)
    {
        if (self is not null)
        {
            span.SetTag("istio.canonical_service", self.CanonicalName);
            span.SetTag("istio.canonical_revision", self.CanonicalRevision);
            span.SetTag("istio.mesh_id", self.Identity.TrustDomain.ToString());
            span.SetTag("istio.namespace", self.Namespace);
            span.SetTag("istio.cluster_id", self.ClusterId);
        }
    }

    private static void Party(Activity span, string prefix, Workload? workload)
    {
        if (workload is null)
        {
            return;
        }

        span.SetTag($"{prefix}workload", workload.WorkloadName);
        span.SetTag($"{prefix}namespace", workload.Namespace);
        span.SetTag($"{prefix}cluster_id", workload.ClusterId);
        span.SetTag($"{prefix}canonical_service", workload.CanonicalName);
        span.SetTag($"{prefix}canonical_revision", workload.CanonicalRevision);
        span.SetTag($"{prefix}app", workload.CanonicalName);
        span.SetTag($"{prefix}app_version", workload.CanonicalRevision);
        span.SetTag($"{prefix}workload_type", "pod");
        span.SetTag($"{prefix}instance_name", workload.Name);
    }

    /// <summary>The cluster that a request goes to, as Envoy names it.</summary>
    public static ClusterName ClusterOf(RequestExchange exchange) => exchange.BackendService is { } service
        ? new ClusterName(!exchange.Arrival.IsIngress && ReferenceEquals(service, exchange.Arrival.Place?.Service), exchange.BackendPort, exchange.Route?.Subset, service.Hostname)
        : default;

    private string NameOf(RequestExchange exchange) => _operation
        ?? ((exchange.BackendService ?? exchange.Arrival.Place?.Service) is { } service ? $"{service.Hostname}:{exchange.BackendPort}/*" : $"{exchange.Host}/*");

    private static string ServiceOf(Workload? self) => self is null ? "unknown" : $"{(string.IsNullOrEmpty(self.CanonicalName) ? self.Name : self.CanonicalName)}.{self.Namespace}";

    private static DateTimeOffset StartOf(RequestExchange exchange) => exchange.Services.Time.GetUtcNow() - exchange.Services.Time.GetElapsedTime(exchange.Started);

    /// <summary>Whether a trace that nobody has decided about is recorded: what its request's id says, or chance.</summary>
    private static bool Chooses(string? id, bool isAskedFor, TracingSettings settings)
    {
        var isUuid = id is { Length: 36 } && Guid.TryParseExact(id, "D", out _);

        // As Envoy does it: the first 32 bits of the id, so that every proxy on the way draws the same.
        var draw = isUuid && settings.UsesRequestId
            ? (int)(uint.Parse(id.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) % 10_000)
            : Random.Shared.Next(10_000);
        return draw < (isUuid && id![ReasonAt] is '9' or 'a' or 'b' ? settings.OverallSampling : isAskedFor ? Math.Max(settings.ClientSampling, settings.Sampling) : settings.Sampling);
    }

    /// <summary>The request's id says that it is traced, where it is a UUID that says nothing yet.</summary>
    private void NoteReason(RequestExchange exchange)
    {
        if (_settings.UsesRequestId && exchange.RequestId is { Length: 36 } id && id[ReasonAt] == '4' && Guid.TryParseExact(Encoding.ASCII.GetString(id), "D", out var uuid))
        {
            var text = uuid.ToString();
            exchange.Head.Fields.Set(RequestIdHeader, string.Concat(text.AsSpan(0, ReasonAt), "9", text.AsSpan(ReasonAt + 1)));
            exchange.NoteRequestId();
        }
    }
}
