using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Filters of a rule or of a backend, as far as requests are changed by them; the rest is named in <see cref="Unsupported"/>.</summary>
internal sealed class RouteFilterReader
{
    // Seconds, by the Gateway API.
    private const int DefaultMaxAge = 5;

    /// <summary>RequestHeaderModifier, or null.</summary>
    public HeaderModification? RequestHeaders { get; private set; }

    /// <summary>ResponseHeaderModifier, or null.</summary>
    public HeaderModification? ResponseHeaders { get; private set; }

    /// <summary>RequestRedirect, or null.</summary>
    public RequestRedirect? Redirect { get; private set; }

    /// <summary>URLRewrite, or null.</summary>
    public UrlRewrite? Rewrite { get; private set; }

    /// <summary>RequestMirror, of which there may be several.</summary>
    public List<TrafficMirror> Mirrors { get; } = [];

    /// <summary>CORS, or null.</summary>
    public CorsRule? Cors { get; private set; }

    /// <summary>ExternalAuth, or null.</summary>
    public RouteAuthorizer? Authorizer { get; private set; }

    /// <summary>Types of filters that nothing acts on.</summary>
    public List<string> Unsupported { get; } = [];

    /// <summary>Reads the <c>filters</c> of <paramref name="owner"/>.</summary>
    public static RouteFilterReader Read(ObjectMeta meta, FieldReader owner)
    {
        var filters = new RouteFilterReader();
        foreach (var filter in owner.Objects("filters"))
        {
            filters.Add(meta, filter);
        }

        return filters;
    }

    /// <summary>A rule with these filters, which forwards as given unless it redirects.</summary>
    public TrafficRule ToRule(ForwardAction forward) => new()
    {
        Action = Redirect is not null ? new RedirectAction(Redirect) : forward with { Rewrite = Rewrite, Mirrors = [.. Mirrors] },
        RequestHeaders = RequestHeaders,
        ResponseHeaders = ResponseHeaders,
        Cors = Cors,
        Authorizer = Authorizer,
    };

    private void Add(ObjectMeta meta, FieldReader filter)
    {
        switch (filter.RequiredString("type"))
        {
            case "RequestHeaderModifier" when RequestHeaders is null:
                RequestHeaders = ReadHeaders(Required(filter, "requestHeaderModifier"));
                break;
            case "ResponseHeaderModifier" when ResponseHeaders is null:
                ResponseHeaders = ReadHeaders(Required(filter, "responseHeaderModifier"));
                break;
            case "RequestRedirect" when Redirect is null:
                Redirect = ReadRedirect(Required(filter, "requestRedirect"));
                break;
            case "URLRewrite" when Rewrite is null:
                // Recorded: without its field the filter changes nothing, and the route stands.
                var rewrite = filter.ObjectOrEmpty("urlRewrite");
                Rewrite = new UrlRewrite(rewrite.String("hostname"), ReadPath(rewrite));
                break;
            case "RequestMirror":
                Mirrors.Add(ReadMirror(meta, Required(filter, "requestMirror")));
                break;
            case "CORS" when Cors is null:
                Cors = ReadCors(Required(filter, "cors"));
                break;
            case "ExternalAuth" when Authorizer is null:
                Authorizer = RouteAuthorizerReader.Read(meta, Required(filter, "externalAuth"));
                break;
            case var type:
                // One that must not be repeated, too: which of two was meant, nobody can say.
                Unsupported.Add(type);
                break;
        }
    }

    private static FieldReader Required(FieldReader filter, string field)
    {
        if (!filter.Has(field))
        {
            filter.Error(field, "missing; this type of filter expects it");
        }

        return filter.ObjectOrEmpty(field);
    }

    private static HeaderModification ReadHeaders(FieldReader headers) => new()
    {
        Remove = [.. headers.Strings("remove")],
        Set = ReadValues(headers, "set"),
        Add = ReadValues(headers, "add"),
    };

    private static ImmutableArray<NamedValue> ReadValues(FieldReader headers, string field) =>
        [.. headers.Objects(field).Select(header => new NamedValue(header.RequiredString("name"), header.String("value") ?? ""))];

    private static RequestRedirect ReadRedirect(FieldReader redirect) => new(
        redirect.OneOf("scheme", "http", "https"),
        redirect.String("hostname"),
        ReadPath(redirect),
        redirect.Integer("port", 1, 65535),
        redirect.Integer("statusCode", 300, 399) ?? 302);

    private static TrafficMirror ReadMirror(ObjectMeta meta, FieldReader mirror)
    {
        var share = TrafficMirror.All;
        if (mirror.Integer("percent", 0, 100) is { } percent)
        {
            share = percent * (TrafficMirror.All / 100);
        }
        else if (mirror.Object("fraction") is { } fraction)
        {
            var denominator = fraction.Integer("denominator", 1, int.MaxValue) ?? 100;
            var numerator = fraction.RequiredInteger("numerator", 0, int.MaxValue);
            if (numerator > denominator)
            {
                fraction.Error("numerator", $"{numerator} is more than the denominator, {denominator}");
            }

            share = (int)Math.Min((double)TrafficMirror.All * numerator / denominator, TrafficMirror.All);
        }

        return new TrafficMirror(RouteReferences.Backend(meta, mirror.ObjectOrEmpty("backendRef")), share);
    }

    private static CorsRule ReadCors(FieldReader cors) => new()
    {
        AllowOrigins = [.. cors.Strings("allowOrigins").Select(origin => new OriginMatch(
            origin == "*" ? OriginMatchKind.Any : origin.Contains('*', StringComparison.Ordinal) ? OriginMatchKind.Wildcard : OriginMatchKind.Exact, origin))],
        AllowMethods = [.. cors.Strings("allowMethods")],
        AllowHeaders = [.. cors.Strings("allowHeaders")],
        ExposeHeaders = [.. cors.Strings("exposeHeaders")],
        MaxAge = TimeSpan.FromSeconds(cors.Integer("maxAge", 1, int.MaxValue) ?? DefaultMaxAge),
        AllowsCredentials = cors.Boolean("allowCredentials") ?? false,
    };

    private static PathRewrite? ReadPath(FieldReader owner)
    {
        if (owner.Object("path") is not { } path)
        {
            return null;
        }

        switch (path.RequiredString("type"))
        {
            case "ReplaceFullPath":
                return new PathRewrite(PathRewriteKind.ReplaceFullPath, path.String("replaceFullPath") ?? "");
            case "ReplacePrefixMatch":
                return new PathRewrite(PathRewriteKind.ReplacePrefixMatch, path.String("replacePrefixMatch") ?? "");
            case var type:
                path.Error("type", $"\"{type}\" is not known; expected ReplaceFullPath or ReplacePrefixMatch");
                return null;
        }
    }
}
