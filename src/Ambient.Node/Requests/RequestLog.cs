using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Node.Telemetry.Exporting;
using Ambient.Node.Telemetry.Logging;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests;

/// <summary>
/// Accounts for requests: metrics, an access line each, and a line for each try that could not be made. A line is formatted
/// into a thread's own buffer and copied into the log's queue.
/// </summary>
internal sealed partial class RequestLog
{
    private const string Target = "access";
    private static readonly EventId s_noted = new(4210, "PolicyNoted");
    private static readonly EventId s_decided = new(4211, "RequestDecided");
    private static readonly EventId s_authenticated = new(4212, "RequestAuthenticated");

    private readonly HostLoggerFactory _loggers;
    private readonly RequestMetrics _metrics;
    private readonly ILogger _access;
    private readonly ILogger _upstreams;
    private readonly ILogger _policies;
    private readonly string _network;
    private readonly LogLevel _policyLevel;

    /// <summary>Creates the log of a pipeline.</summary>
    /// <param name="loggers">Where lines go.</param>
    /// <param name="metrics">What counts.</param>
    /// <param name="network">Network that client addresses belong to.</param>
    /// <param name="policiesAtInformation">Whether what policies say is logged at info rather than debug.</param>
    public RequestLog(HostLoggerFactory loggers, RequestMetrics metrics, string network, bool policiesAtInformation = false)
    {
        _policyLevel = policiesAtInformation ? LogLevel.Information : LogLevel.Debug;
        _loggers = loggers;
        _metrics = metrics;
        _network = network;
        _access = loggers.CreateLogger(Target);
        _upstreams = loggers.CreateLogger("upstream");
        _policies = loggers.CreateLogger("rbac");
    }

    /// <summary>A request has ended.</summary>
    public void Completed(RequestExchange exchange)
    {
        var telemetry = TelemetryOf(exchange.Arrival);
        var summary = Summarize(exchange, telemetry);
        var entry = new Entry(exchange);
        if (telemetry.Metrics is { HasAttributes: true } metrics)
        {
            summary = summary with { Attributes = metrics.ValuesOf(entry.Of(summary)) };
        }

        _metrics.Count(summary, exchange.LastSeries);
        if (exchange.Trace is { } trace)
        {
            trace.End(exchange, summary, trace.NeedsEntry ? entry.Of(summary) : default);
        }

        var level = exchange.Error is null ? LogLevel.Information : LogLevel.Error;
        var isEnabled = _access.IsEnabled(level);
        foreach (var log in telemetry.Logs.AsSpan())
        {
            if ((!isEnabled && log.Records is null) || log.Filter?.Takes(entry.Of(summary)) == false)
            {
                continue;
            }

            if (log.Records is { } records)
            {
                Collectors?.Of(log.Collector!).Take(records.Record(entry.Of(summary)));
            }
            else if (log.Template is { } template)
            {
                Write(template, entry.Of(summary), level);
            }
            else
            {
                Write(exchange, summary, level);
            }
        }
    }

    /// <summary>Collectors of the access log; null: there are none.</summary>
    public AccessLogExporters? Collectors { get; init; }

    /// <summary>Clock of its lines.</summary>
    public TimeProvider Time => _loggers.Time;

    /// <summary>An opaque connection has ended. False: no form is asked for, and the connection has a line of its own.</summary>
    public bool TryComplete(PlaceTelemetry telemetry, in AccessLogEntry entry, LogLevel level)
    {
        var isComplete = true;
        foreach (var log in telemetry.Logs.AsSpan())
        {
            if (log.Filter?.Takes(entry) == false)
            {
                continue;
            }

            if (log.Records is { } records)
            {
                Collectors?.Of(log.Collector!).Take(records.Record(entry));
            }
            else if (log.Template is not { } template)
            {
                isComplete = false;
            }
            else if (_access.IsEnabled(level))
            {
                Write(template, entry, level);
            }
        }

        return isComplete;
    }

    /// <summary>
    /// What policies that decide nothing (AUDIT, dry run) say of a request or connection: counted, and a line each at the level and in the
    /// words of those at layer 4.
    /// </summary>
    public void Noted(ImmutableArray<PolicyNote> notes, IPEndPoint source, SpiffeId? identity, IPEndPoint destination)
    {
        _metrics.Policies.Count(notes);
        if (!_policies.IsEnabled(_policyLevel))
        {
            return;
        }

        foreach (var note in notes.AsSpan())
        {
            var named = note.Policy is null ? "" : $" policy={note.Policy}";
            var line = $"{note.Text}{named} src={source} identity={identity?.ToString() ?? "none"} dst={destination}";
            _policies.Log(_policyLevel, s_noted, line, null, static (text, _) => text);
        }
    }

    /// <summary>What came of a request's tokens: a line, at the level of what policies decide. It names the object and its issuer, and never the token.</summary>
    public void Authenticated(in AuthenticationDecision decision, IPEndPoint source, SpiffeId? identity, IPEndPoint destination)
    {
        if (_policies.IsEnabled(_policyLevel))
        {
            var line = $"{(decision.IsAllowed ? "token accepted" : "token refused")}: {decision} src={source} identity={identity?.ToString() ?? "none"} dst={destination}";
            _policies.Log(_policyLevel, s_authenticated, line, null, static (text, _) => text);
        }
    }

    /// <summary>What policies decided about a request or connection: a line, at the level and in the words of those at layer 4.</summary>
    public void Decided(AuthorizationDecision decision, IPEndPoint source, SpiffeId? identity, IPEndPoint destination)
    {
        _metrics.Policies.Count(decision);
        if (!_policies.IsEnabled(_policyLevel))
        {
            return;
        }

        var (what, policy) = decision.Reason switch
        {
            AuthorizationReason.DeniedByPolicy => ("deny policy match", decision.Policy),
            AuthorizationReason.AllowedByPolicy => ("allow policy match", decision.Policy),
            AuthorizationReason.NoPolicy => ("no allow policies, allow", null),
            AuthorizationReason.NoAllowMatched => ("no allow policies matched", null),
            _ => (decision.ToString(), decision.Policy),
        };
        var named = policy is null ? "" : $" policy={policy}";
        var line = $"{what}{named} src={source} identity={identity?.ToString() ?? "none"} dst={destination}";
        _policies.Log(_policyLevel, s_decided, line, null, static (text, _) => text);
    }

    /// <summary>An external authorizer failed, and what that means for the request.</summary>
    public void AuthorizerFailed(string authorizer, bool letsIn, string reason) => LogAuthorizerFailed(_policies, authorizer, reason, letsIn ? "let in all the same (failOpen)" : "refused");

    /// <summary>An external authorizer was not asked, as there is too much to do here; the request is refused whatever it says of failures.</summary>
    public void AuthorizerNotAsked(string authorizer, string reason) => LogAuthorizerNotAsked(_policies, authorizer, reason);

    /// <summary>Counts what policies decide.</summary>
    public PolicyMetrics Policies => _metrics.Policies;

    /// <summary>A try could not be made.</summary>
    public void TryFailed(RequestExchange exchange, UpstreamEndpoint endpoint, int attempt, string reason) =>
        LogTryFailed(_upstreams, exchange.BackendService?.Hostname ?? endpoint.Workload.Name, attempt, reason);

    /// <summary>The server refused a request by itself: counted and logged like one that was answered, with what is known of it.</summary>
    public void Refused(in RequestArrival arrival, in MessageRefusal refusal)
    {
        var telemetry = TelemetryOf(arrival);
        _metrics.Count(new RequestSummary
        {
            Source = SourceOf(arrival),
            Identity = arrival.Identity,
            Service = arrival.Place?.Service,
            Code = refusal.Status,
            Flags = ResponseFlags.DownstreamProtocolError,
            Overrides = telemetry.Metrics,
        });
        var entry = new AccessLogEntry
        {
            Started = _loggers.Time.GetUtcNow(),
            Code = refusal.Status,
            Flags = ResponseFlags.DownstreamProtocolError,
            CodeDetails = "codec_error",
            LocalAddress = arrival.Destination,
            RemoteAddress = arrival.Source,
            PeerIdentity = arrival.Identity,
        };
        if (!TryComplete(telemetry, entry, LogLevel.Error) && _access.IsEnabled(LogLevel.Error))
        {
            WriteRefused(arrival, refusal);
        }
    }

    private void WriteRefused(in RequestArrival arrival, in MessageRefusal refusal)
    {
        var line = _loggers.Begin(LogLevel.Error, Target, "request complete");
        line.Field("src.addr"u8, arrival.Source);
        line.Field("src.identity"u8, arrival.Identity);
        line.Field("dst.service"u8, arrival.Place?.Service?.Hostname);
        line.Field("status"u8, refusal.Status);
        line.Field("flags"u8, ResponseFlags.DownstreamProtocolError);
        line.Field("error"u8, refusal.Reason);
        _loggers.End(LogLevel.Error, _access, line);
    }

    /// <summary>A request met a fault of ours.</summary>
    public void Failed(Exception failure) => LogFailed(_upstreams, failure);

    /// <summary>The client's workload. That of the connection's last request, where the mesh is still the same.</summary>
    private Workload? SourceOf(in RequestArrival arrival, RequestLogParts parts)
    {
        if (arrival.Source is not { } source || arrival.Place?.Mesh is not { } mesh)
        {
            return null;
        }

        if (!parts.TrySource(mesh.Version, source, out var workload))
        {
            parts.KeepSource(workload = SourceOf(arrival));
        }

        return workload;
    }

    private Workload? SourceOf(in RequestArrival arrival) =>
        arrival.Source is { } source ? arrival.Place?.Mesh.FindWorkload(_network, source.Address) : null;

    private static string ProtocolOf(RequestHead head) => head.Version switch
    {
        HttpProtocolVersion.Http2 => "HTTP/2",
        HttpProtocolVersion.Http10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };

    private static PlaceTelemetry TelemetryOf(in RequestArrival arrival) => arrival.Place?.Telemetry.Requests(arrival.Destination.Port) ?? PlaceTelemetry.Default;

    private RequestSummary Summarize(RequestExchange exchange, PlaceTelemetry telemetry)
    {
        ref readonly var arrival = ref exchange.Arrival;
        return new RequestSummary
        {
            Source = SourceOf(arrival, exchange.LogParts),
            Identity = arrival.Identity,
            Destination = exchange.Endpoint?.Workload,
            Service = exchange.BackendService ?? arrival.Place?.Service,
            IsGrpc = exchange.IsGrpc,
            Code = ReferenceEquals(exchange.Flags, ResponseFlags.DownstreamConnectionTermination) ? 0 : exchange.Status,
            GrpcStatus = exchange.GrpcStatus,
            Flags = exchange.Flags,
            Duration = exchange.Services.Time.GetElapsedTime(exchange.Started),
            RequestBytes = exchange.Server.BytesReceived,
            ResponseBytes = exchange.Server.BytesSent,
            RequestMessages = exchange.RequestMessages.Count,
            ResponseMessages = exchange.ResponseMessages.Count,
            Overrides = telemetry.Metrics,
        };
    }

    private static AccessLogEntry EntryOf(RequestExchange exchange, in RequestSummary summary)
    {
        ref readonly var arrival = ref exchange.Arrival;
        var endpoint = exchange.Endpoint;
        return new AccessLogEntry
        {
            Started = exchange.Services.Time.GetUtcNow() - summary.Duration,
            Duration = summary.Duration,
            Request = exchange.Head,
            Response = exchange.Server.Response,
            OriginalTarget = exchange.Path.Path is null ? exchange.Head.Target : exchange.Path.Target,
            Code = summary.Code,
            GrpcStatus = summary.GrpcStatus,
            Flags = summary.Flags,
            CodeDetails = ResponseDetails.Of(exchange),
            TransportFailure = summary.Flags.StartsWith(ResponseFlags.UpstreamConnectionFailure, StringComparison.Ordinal) && exchange.Error is { } error ? ResponseDetails.Word(error) : null,
            BytesReceived = summary.RequestBytes,
            BytesSent = summary.ResponseBytes,
            UpstreamHost = endpoint?.Address,
            IsTunnelled = endpoint?.IsTunnelled == true,
            IsTunnelledTwice = endpoint?.Way?.IsTwofold == true,
            Cluster = exchange.Route is { Kind: RequestRouteKind.Respond } ? default : RequestTrace.ClusterOf(exchange),
            LocalAddress = arrival.Destination,
            RemoteAddress = arrival.Source,
            RouteName = exchange.Route is { } route ? ResponseDetails.Word(route.Rule ?? "default") : null,
            ServerName = string.IsNullOrEmpty(arrival.ServerName) ? null : arrival.ServerName,
            PeerIdentity = arrival.Identity,
            TraceId = exchange.Trace?.TraceId ?? default,
            SpanId = exchange.Trace?.SpanId ?? default,
        };
    }

    /// <summary>Writes a line in Envoy's form: by itself on standard output, as a line of an application's log where that takes them.</summary>
    private void Write(AccessLogTemplate template, in AccessLogEntry entry, LogLevel level)
    {
        var text = Utf8TextBuilder.Rent();
        template.Write(text, entry);
        _loggers.Line(level, _access, text);
        text.Return();
    }

    private void Write(RequestExchange exchange, in RequestSummary summary, LogLevel level)
    {
        ref readonly var arrival = ref exchange.Arrival;
        var endpoint = exchange.Endpoint;
        var line = _loggers.Begin(level, Target, "request complete");

        // Who, to whom.
        var parts = exchange.LogParts;
        if (parts.Who(arrival.Source, summary.Source, arrival.Identity) is { IsEmpty: false } who)
        {
            line.Fields(who);
        }
        else
        {
            var begin = line.Length;
            if (arrival.Source is { } source)
            {
                line.Field("src.addr"u8, source);
            }

            line.Field("src.workload"u8, summary.Source?.Name);
            line.Field("src.namespace"u8, summary.Source?.Namespace);
            line.Field("src.identity"u8, arrival.Identity);
            parts.KeepWho(arrival.Source, summary.Source, arrival.Identity, line.WrittenSince(begin));
        }

        if (endpoint is { } reached)
        {
            Write(line, summary.Service, reached, parts);
        }
        else
        {
            line.Field("dst.service"u8, summary.Service?.Hostname);
        }

        // What.
        var (method, host, path, version) = (exchange.Method, exchange.Host, exchange.Path.Path, exchange.Head.Version);
        if (parts.What(method, host, path, version) is { IsEmpty: false } what)
        {
            line.Fields(what);
        }
        else
        {
            var begin = line.Length;
            line.Field("method"u8, method);
            line.Field("authority"u8, host);
            line.Field("path"u8, path);
            line.Field("protocol"u8, ProtocolOf(exchange.Head));
            parts.KeepWhat(method, host, path, version, line.WrittenSince(begin));
        }

        line.Field("request_id"u8, exchange.RequestId);

        // Decisions.
        line.Field("jwt"u8, exchange.Authentication is { IsAllowed: false } refused ? refused.ToString() : null);
        ReadOnlySpan<byte> rules = default;
        if (!exchange.PolicyNotes.IsEmpty || !parts.TryRules(exchange.Authorization, exchange.Route?.Rule, out rules))
        {
            var begin = line.Length;
            line.Field("policy"u8, DescribePolicy(exchange.Authorization));
            line.Field("audit"u8, PolicyOf(exchange.PolicyNotes, PolicyNoteKind.Audit));
            line.Field("dry_run_deny"u8, PolicyOf(exchange.PolicyNotes, PolicyNoteKind.DryRunDenies));
            line.Field("dry_run_allow"u8, PolicyOf(exchange.PolicyNotes, PolicyNoteKind.DryRunAllows));
            line.Field("route"u8, exchange.Route?.Rule);
            if (exchange.PolicyNotes.IsEmpty)
            {
                parts.KeepRules(exchange.Authorization, exchange.Route?.Rule, line.WrittenSince(begin));
            }
        }
        else
        {
            line.Fields(rules);
        }

        // Outcome.
        var attempts = exchange.Attempts;
        if (parts.How(summary.Code, summary.GrpcStatus, summary.Flags, attempts) is { IsEmpty: false } how)
        {
            line.Fields(how);
        }
        else
        {
            var begin = line.Length;
            line.Field("status"u8, summary.Code);
            line.Field("grpc_status"u8, summary.GrpcStatus);
            line.Field("flags"u8, summary.Flags);
            line.Field("attempts"u8, attempts);
            parts.KeepHow(summary.Code, summary.GrpcStatus, summary.Flags, attempts, line.WrittenSince(begin));
        }

        line.Field("bytes_recv"u8, summary.RequestBytes);
        line.Field("bytes_sent"u8, summary.ResponseBytes);
        line.Milliseconds("duration"u8, (long)summary.Duration.TotalMilliseconds);
        line.Field("error"u8, exchange.Error);
        _loggers.End(level, _access, line);
    }

    private static void Write(AccessLogLine line, MeshService? service, UpstreamEndpoint endpoint, RequestLogParts parts)
    {
        if (endpoint.HostName is null && parts.Whom(service, endpoint.Address, endpoint.Workload) is { IsEmpty: false } whom)
        {
            line.Fields(whom);
            return;
        }

        var begin = line.Length;
        line.Field("dst.service"u8, service?.Hostname);
        if (endpoint.HostName is null)
        {
            line.Field("dst.addr"u8, endpoint.Address);
        }
        else
        {
            line.Field("dst.addr"u8, endpoint.Where);
        }

        line.Field("dst.hbone_addr"u8, endpoint.Way?.Authority ?? endpoint.Waypoint?.Authority);
        line.Field("dst.workload"u8, endpoint.Workload.Name);
        line.Field("dst.namespace"u8, endpoint.Workload.Namespace);
        line.Field("dst.identity"u8, endpoint.Identity);
        if (endpoint.HostName is null)
        {
            parts.KeepWhom(service, endpoint.Address, endpoint.Workload, line.WrittenSince(begin));
        }
    }

    // An operator asks "which policy": silent only where none applies.
    private static string? DescribePolicy(AuthorizationDecision? asked)
    {
        if (asked is not { } decision || decision.Reason == AuthorizationReason.NoPolicy)
        {
            return null;
        }

        return decision.Rule is { } rule ? string.Create(CultureInfo.InvariantCulture, $"{decision}, rule {rule}") : decision.ToString();
    }

    private static string? PolicyOf(ImmutableArray<PolicyNote> notes, PolicyNoteKind kind)
    {
        foreach (var note in notes.AsSpan())
        {
            if (note.Kind == kind)
            {
                return note.Policy;
            }
        }

        return null;
    }

    [LoggerMessage(4200, LogLevel.Warning, "{Service} was not reached (attempt {Attempt}): {Reason}")]
    private static partial void LogTryFailed(ILogger logger, string service, int attempt, string reason);

    [LoggerMessage(4202, LogLevel.Warning, "external authorizer {Authorizer} failed: {Reason}; the request is {Outcome}")]
    private static partial void LogAuthorizerFailed(ILogger logger, string authorizer, string reason, string outcome);

    [LoggerMessage(4203, LogLevel.Warning, "external authorizer {Authorizer} was not asked, there is too much to do: {Reason}; the request is refused")]
    private static partial void LogAuthorizerNotAsked(ILogger logger, string authorizer, string reason);

    [LoggerMessage(4201, LogLevel.Error, "a request failed")]
    private static partial void LogFailed(ILogger logger, Exception failure);

    /// <summary>What the log knows of a request, put together when it is first asked for.</summary>
    private ref struct Entry(RequestExchange exchange)
    {
        private AccessLogEntry _entry;
        private bool _isMade;

        public AccessLogEntry Of(in RequestSummary summary)
        {
            if (!_isMade)
            {
                (_entry, _isMade) = (EntryOf(exchange, summary), true);
            }

            return _entry;
        }
    }
}
