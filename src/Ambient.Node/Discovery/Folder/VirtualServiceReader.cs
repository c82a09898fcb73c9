using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads VirtualServices (https://istio.io/latest/docs/reference/config/networking/virtual-service/): here what they say of HTTP. Rules are tried in
/// the order in which they are written.
/// </summary>
internal static class VirtualServiceReader
{
    private const string Group = "networking.istio.io";
    private const int MaxAttempts = 100;
    private const int MaxWeight = 1_000_000;
    private const int AllOfIt = 100;

    private static readonly string[] s_actions = ["route", "redirect", "directResponse", "delegate"];
    private static readonly string[] s_comparisons = ["exact", "prefix", "regex"];
    private static readonly string[] s_grpcStatuses =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ];

    private static readonly PathMatch s_anyPath = new(PathMatchKind.TextPrefix, "/");

    public static HttpRouteObject ReadVirtualService(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var gateways = spec.Strings("gateways");
        ImmutableArray<TrafficRule> rules = [.. spec.Objects("http").Select(rule => ReadRule(meta, rule)).OfType<TrafficRule>()];
        if (spec.Strings("hosts").Count > 0 && gateways.All(gateway => gateway == HttpRoute.Mesh) && rules.Any(rule => rule.Matches.Any(match => !match.Claims.IsEmpty)))
        {
            spec.Error("gateways", "names no gateway, and only there routes may ask for claims of a token (@request.auth.claims)");
        }

        var route = new HttpRoute
        {
            Kind = HttpRoute.VirtualService,
            Name = meta.Name,
            Namespace = meta.Namespace,
            ParentRefs = [.. (gateways.Count == 0 ? [HttpRoute.Mesh] : gateways).Select(gateway => GatewayOf(meta, gateway))],
            Hostnames = [.. spec.Strings("hosts")],
            ExportTo = [.. spec.Strings("exportTo").Select(to => to == "." ? meta.Namespace : to)],
            Rules = rules,
            CreationTime = meta.CreationTime,
        };
        return new HttpRouteObject(meta, route) { Streams = VirtualStreamReader.Read(meta, spec, route) };
    }

    /// <summary>Gateways of a match, as <c>namespace/name</c>, or the mesh.</summary>
    internal static ImmutableArray<string> GatewaysOf(ObjectMeta meta, FieldReader match) =>
        [.. match.Strings("gateways").Select(gateway => GatewayOf(meta, gateway)).Select(gateway => gateway.Kind == "Mesh" ? HttpRoute.Mesh : $"{gateway.Namespace}/{gateway.Name}")];

    /// <summary>The port of a match; null: any.</summary>
    internal static int? PortOf(FieldReader match) => match.Integer("port", 0, 65535) is > 0 and var port ? port : null;

    /// <summary>The weight of one of several destinations.</summary>
    internal static int WeightOf(FieldReader route, int routes) => route.Integer("weight", 0, MaxWeight) ?? (routes == 1 ? AllOfIt : 0);

    // Recorded: a waypoint never has a rule that is for callers with some labels, or of some namespace.
    internal static bool IsForSomeCallers(FieldReader match) => match.Has("sourceLabels") || match.Has("sourceNamespace");

    private static ObjectReference GatewayOf(ObjectMeta meta, string gateway)
    {
        var slash = gateway.IndexOf('/', StringComparison.Ordinal);
        return gateway == HttpRoute.Mesh ? new ObjectReference(Group, "Mesh", "", HttpRoute.Mesh)
            : slash < 0 ? new ObjectReference(Group, "Gateway", meta.Namespace, gateway)
            : new ObjectReference(Group, "Gateway", gateway[..slash] is "." or "" ? meta.Namespace : gateway[..slash], gateway[(slash + 1)..]);
    }

    /// <summary>A rule; null for one that is only for callers which a waypoint or gateway does not know apart.</summary>
    private static TrafficRule? ReadRule(ObjectMeta meta, FieldReader rule)
    {
        var headers = rule.ObjectOrEmpty("headers");
        var written = rule.Objects("match").ToArray();
        ImmutableArray<TrafficMatch> matches = [.. written.Select(match => ReadMatch(meta, match)).OfType<TrafficMatch>()];
        var read = new TrafficRule
        {
            Name = rule.String("name"),
            Matches = written.Length == 0 ? [new TrafficMatch { Path = s_anyPath }] : matches,
            Action = ReadAction(meta, rule),
            RequestHeaders = ReadHeaders(headers, "request"),
            ResponseHeaders = ReadHeaders(headers, "response"),
            Cors = rule.Object("corsPolicy") is { } cors ? ReadCors(cors) : null,
            Fault = rule.Object("fault") is { } fault ? ReadFault(fault) : null,
        };
        return read.Matches.IsEmpty ? null : read;
    }

    private static TrafficAction ReadAction(ObjectMeta meta, FieldReader rule)
    {
        var kinds = s_actions.Where(rule.Has).ToArray();
        if (kinds.Length != 1)
        {
            rule.Error(
                kinds.Length == 0 ? "route" : kinds[1],
                kinds.Length == 0 ? "missing; a rule has one of route, redirect, directResponse and delegate" : $"a rule has one of route, redirect, directResponse and delegate, and this one has {kinds[0]} already");
            return new ForwardAction();
        }

        switch (kinds[0])
        {
            case "redirect":
                return new RedirectAction(ReadRedirect(rule.ObjectOrEmpty("redirect")));
            case "directResponse":
                var response = rule.ObjectOrEmpty("directResponse");
                var body = response.ObjectOrEmpty("body");
                return new RespondAction(response.RequiredInteger("status", 200, 599), body.String("string") ?? Decoded(body));
            case "delegate":
                var reference = rule.ObjectOrEmpty("delegate");
                var ns = reference.String("namespace");
                return new DelegateAction(string.IsNullOrEmpty(ns) ? meta.Namespace : ns, reference.RequiredString("name"));
            default:
                return ReadForward(meta, rule);
        }
    }

    private static ForwardAction ReadForward(ObjectMeta meta, FieldReader rule)
    {
        var routes = rule.Objects("route").ToArray();
        var retries = rule.Object("retries");
        return new ForwardAction
        {
            Backends = [.. routes.Select(route => ReadBackend(meta, route, routes.Length))],
            MissingBackendStatus = 503,
            Rewrite = rule.Object("rewrite") is { } rewrite ? ReadRewrite(rewrite) : null,
            Mirrors = ReadMirrors(meta, rule),
            Timeout = Durations.Read(rule, "timeout"),
            TryTimeout = retries is null ? null : Durations.Read(retries, "perTryTimeout"),
            Retry = retries is null ? null : ReadRetry(retries),
        };
    }

    private static TrafficBackend ReadBackend(ObjectMeta meta, FieldReader route, int routes)
    {
        var (reference, subset) = ReadDestination(meta, route.ObjectOrEmpty("destination"));
        var headers = route.ObjectOrEmpty("headers");
        return new TrafficBackend(reference, WeightOf(route, routes))
        {
            Subset = subset,
            RequestHeaders = ReadHeaders(headers, "request"),
            ResponseHeaders = ReadHeaders(headers, "response"),
        };
    }

    internal static (ObjectReference Reference, string? Subset) ReadDestination(ObjectMeta meta, FieldReader destination)
    {
        var subset = destination.String("subset");
        return (
            new ObjectReference(
                Group, "Hostname", meta.Namespace, destination.RequiredString("host"),
                Port: destination.ObjectOrEmpty("port").Integer("number", 1, 65535)),
            string.IsNullOrEmpty(subset) ? null : subset);
    }

    private static ImmutableArray<TrafficMirror> ReadMirrors(ObjectMeta meta, FieldReader rule)
    {
        var mirrors = ImmutableArray.CreateBuilder<TrafficMirror>();
        if (rule.Object("mirror") is { } mirror)
        {
            var share = rule.Has("mirrorPercentage") ? ReadShare(rule, "mirrorPercentage", 100)
                : (rule.Integer("mirrorPercent", 0, 100) ?? rule.Integer("mirror_percent", 0, 100) ?? 100) * (TrafficMirror.All / 100);
            mirrors.Add(Mirror(mirror, share));
        }

        foreach (var item in rule.Objects("mirrors"))
        {
            mirrors.Add(Mirror(item.ObjectOrEmpty("destination"), ReadShare(item, "percentage", 100)));
        }

        return mirrors.ToImmutable();

        TrafficMirror Mirror(FieldReader destination, int share)
        {
            var (reference, subset) = ReadDestination(meta, destination);
            return new TrafficMirror(reference, share) { Subset = subset };
        }
    }

    /// <summary>A match; null for one that is for callers which a waypoint or gateway does not know apart, and so for none.</summary>
    private static TrafficMatch? ReadMatch(ObjectMeta meta, FieldReader match)
    {
        var path = ReadText(match, "uri");
        var ignoresCase = match.Boolean("ignoreUriCase") ?? false;
        ImmutableArray<NamedValueMatch> headers = [.. ReadNamed(match, "headers", inverted: false), .. ReadNamed(match, "withoutHeaders", inverted: true)];
        var read = new TrafficMatch
        {
            Path = path switch
            {
                null => s_anyPath,
                { Kind: TextMatchKind.Exact } => new PathMatch(PathMatchKind.Exact, path.Value.Value) { IgnoresCase = ignoresCase },
                { Kind: TextMatchKind.Prefix } => new PathMatch(PathMatchKind.TextPrefix, path.Value.Value) { IgnoresCase = ignoresCase },
                { Kind: TextMatchKind.RegularExpression } => new PathMatch(PathMatchKind.RegularExpression, path.Value.Value),
                _ => s_anyPath,
            },
            Method = ReadText(match, "method"),
            Scheme = ReadText(match, "scheme"),
            Authority = ReadText(match, "authority"),
            Port = PortOf(match),
            Gateways = GatewaysOf(meta, match),
            Headers = [.. headers.Where(header => !ClaimMatchReader.IsClaim(header.Name))],
            Claims = [.. headers.Where(header => ClaimMatchReader.IsClaim(header.Name)).Select(header => ClaimMatchReader.Read(match.ObjectOrEmpty(header.IsInverted ? "withoutHeaders" : "headers"), header.Name, header.Value, header.IsInverted)).OfType<ClaimMatch>()],
            QueryParams = [.. ReadNamed(match, "queryParams", inverted: false)],
        };

        return IsForSomeCallers(match) ? null : read;
    }

    private static IEnumerable<NamedValueMatch> ReadNamed(FieldReader match, string field, bool inverted)
    {
        foreach (var (name, _) in match.ObjectMap(field))
        {
            yield return new NamedValueMatch(name.Value, ReadText(match.ObjectOrEmpty(field), name.Value) ?? new TextMatch(TextMatchKind.Present, "")) { IsInverted = inverted };
        }
    }

    private static TextMatch? ReadText(FieldReader owner, string field)
    {
        if (owner.Object(field) is not { } text)
        {
            return null;
        }

        var kinds = s_comparisons.Where(text.Has).ToArray();
        if (kinds.Length > 1)
        {
            text.Error(kinds[1], $"a comparison has one of exact, prefix and regex, and this one has {kinds[0]} already");
        }

        return kinds is [var kind, ..]
            ? new TextMatch(kind switch { "exact" => TextMatchKind.Exact, "prefix" => TextMatchKind.Prefix, _ => TextMatchKind.RegularExpression }, text.String(kind) ?? "")
            : new TextMatch(TextMatchKind.Present, "");
    }

    private static HeaderModification? ReadHeaders(FieldReader headers, string side)
    {
        if (headers.Object(side) is not { } edits)
        {
            return null;
        }

        return new HeaderModification
        {
            Remove = [.. edits.Strings("remove")],
            Set = [.. edits.StringMap("set").Select(header => new NamedValue(header.Key, header.Value))],
            Add = [.. edits.StringMap("add").Select(header => new NamedValue(header.Key, header.Value))],
        };
    }

    private static RequestRedirect ReadRedirect(FieldReader redirect)
    {
        var (uri, prefix) = (redirect.String("uri"), redirect.String("prefixRewrite"));
        var port = redirect.Integer("port", 1, 65535);
        var derived = redirect.OneOf("derivePort", "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT");
        var scheme = redirect.String("scheme");
        return new RequestRedirect(
            string.IsNullOrEmpty(scheme) ? null : scheme,
            redirect.String("authority") is { Length: > 0 } authority ? authority : null,
            !string.IsNullOrEmpty(uri) ? new PathRewrite(PathRewriteKind.ReplaceFullPath, uri)
                : !string.IsNullOrEmpty(prefix) ? new PathRewrite(PathRewriteKind.ReplaceTextPrefix, prefix) : null,
            port,
            redirect.Integer("redirectCode", 301, 308) ?? 301)
        {
            KeepsRequestPort = port is null && derived is null,
            UsesArrivalPort = derived == "FROM_REQUEST_PORT",
        };
    }

    private static UrlRewrite ReadRewrite(FieldReader rewrite)
    {
        var path = rewrite.String("uri") is { Length: > 0 } uri ? new PathRewrite(PathRewriteKind.ReplaceTextPrefix, uri)
            : rewrite.Object("uriRegexRewrite") is { } pattern
                ? new PathRewrite(PathRewriteKind.ReplacePattern, pattern.String("rewrite") ?? "") { Pattern = pattern.RequiredString("match") }
                : null;
        return new UrlRewrite(rewrite.String("authority") is { Length: > 0 } authority ? authority : null, path);
    }

    internal static RetryRule ReadRetry(FieldReader retries)
    {
        var (conditions, codes) = (RetryConditions.None, ImmutableArray.CreateBuilder<int>());
        foreach (var written in (retries.String("retryOn") ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (int.TryParse(written, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && code is >= 100 and <= 599)
            {
                codes.Add(code);
            }
            else if (RetryRule.ConditionOf(written) is { } condition)
            {
                conditions |= condition;
            }
            else
            {
                retries.Error("retryOn", $"\"{written}\" is not known; expected status codes and conditions such as 5xx, gateway-error, connect-failure, reset, refused-stream, unavailable");
            }
        }

        return RetryRule.Default with
        {
            Attempts = retries.Integer("attempts", 0, MaxAttempts) ?? RetryRule.Default.Attempts,
            Conditions = retries.String("retryOn") is { Length: > 0 } ? conditions : RetryRule.Default.Conditions,
            StatusCodes = codes.ToImmutable(),
            Backoff = Durations.Read(retries, "backoff") ?? RetryRule.Default.Backoff,
            PrefersOtherLocalities = retries.Boolean("retryRemoteLocalities") ?? false,
            AvoidsFailedEndpoints = retries.Boolean("retryIgnorePreviousHosts") ?? true,
        };
    }

    private static CorsRule ReadCors(FieldReader cors) => new()
    {
        AllowOrigins =
        [
            .. cors.Strings("allowOrigin").Select(origin => new OriginMatch(origin == "*" ? OriginMatchKind.Any : OriginMatchKind.Exact, origin)),
            .. cors.Objects("allowOrigins").Select(origin => OriginOf(origin)),
        ],
        AllowMethods = [.. cors.Strings("allowMethods")],
        AllowHeaders = [.. cors.Strings("allowHeaders")],
        ExposeHeaders = [.. cors.Strings("exposeHeaders")],
        MaxAge = Durations.Read(cors, "maxAge"),
        AllowsCredentials = cors.Boolean("allowCredentials") ?? false,
        ForwardsOtherPreflights = cors.OneOf("unmatchedPreflights", "UNSPECIFIED", "FORWARD", "IGNORE") != "IGNORE",
    };

    private static OriginMatch OriginOf(FieldReader origin) =>
        origin.String("exact") is { } exact ? new OriginMatch(exact == "*" ? OriginMatchKind.Any : OriginMatchKind.Exact, exact)
        : origin.String("prefix") is { } prefix ? new OriginMatch(OriginMatchKind.Prefix, prefix)
        : new OriginMatch(OriginMatchKind.RegularExpression, origin.RequiredString("regex"));

    private static FaultRule ReadFault(FieldReader fault)
    {
        var (delay, abort) = (fault.ObjectOrEmpty("delay"), fault.ObjectOrEmpty("abort"));
        return new FaultRule
        {
            Delay = Durations.Read(delay, "fixedDelay") ?? TimeSpan.Zero,
            DelayPartsPerMillion = delay.Has("percentage") ? ReadShare(delay, "percentage", 0)
                : (delay.Integer("percent", 0, 100) ?? 0) * (TrafficMirror.All / 100),
            AbortStatus = abort.Integer("httpStatus", 200, 599) ?? 0,
            AbortGrpcStatus = abort.String("grpcStatus") is { } status ? GrpcStatusOf(abort, status) : null,
            AbortPartsPerMillion = ReadShare(abort, "percentage", 0),
        };
    }

    private static int? GrpcStatusOf(FieldReader abort, string status)
    {
        var index = Array.IndexOf(s_grpcStatuses, status);
        if (index < 0 && !(int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out index) && index < s_grpcStatuses.Length))
        {
            abort.Error("grpcStatus", $"\"{status}\" is not a gRPC status; expected a name such as UNAVAILABLE{NearestWord.Hint(status, s_grpcStatuses)}");
            return null;
        }

        return index;
    }

    /// <summary>A percentage with fractions (<c>value: 0.1</c>) as parts of a million.</summary>
    private static int ReadShare(FieldReader owner, string field, int otherwise)
    {
        if (owner.Object(field) is not { } percentage)
        {
            return otherwise * (TrafficMirror.All / 100);
        }

        var text = percentage.Find("value") is YamlScalar scalar ? scalar.Value : "0";
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 100)
        {
            return (int)Math.Round(value * (TrafficMirror.All / 100));
        }

        percentage.Error("value", $"\"{text}\" is not a percentage; expected a number from 0 to 100");
        return 0;
    }

    private static string Decoded(FieldReader body)
    {
        if (body.String("bytes") is not { } encoded)
        {
            return "";
        }

        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(encoded));
        }
        catch (FormatException)
        {
            body.Error("bytes", "is not base64");
            return "";
        }
    }
}
