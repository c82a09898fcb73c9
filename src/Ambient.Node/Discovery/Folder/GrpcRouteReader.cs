using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads GRPCRoutes. A gRPC method is the path <c>/service/method</c> (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), so that
/// comparing the one is comparing the other, and precedence is the same.
/// </summary>
internal static class GrpcRouteReader
{
    private const string Anything = "[^/]+";

    public static HttpRouteObject ReadGrpcRoute(ObjectMeta meta, FieldReader fields) => HttpRouteReader.ReadRoute(meta, fields, ReadRule);

    private static TrafficRule ReadRule(ObjectMeta meta, FieldReader rule)
    {
        var filters = RouteFilterReader.Read(meta, rule);
        var matches = rule.Objects("matches").Select(ReadMatch).ToImmutableArray();
        var forward = new ForwardAction
        {
            Backends = [.. rule.Objects("backendRefs").Select(backend => RouteReferences.WeightedBackend(meta, backend))],
            Session = SessionPersistenceReader.Read(rule),
        };
        return filters.ToRule(forward) with
        {
            Name = rule.String("name"),
            Matches = matches.Length > 0 ? matches : [new TrafficMatch()],
            Unsupported = [.. filters.Unsupported],
        };
    }

    private static TrafficMatch ReadMatch(FieldReader match)
    {
        var method = match.ObjectOrEmpty("method");
        var isRegex = method.OneOf("type", "Exact", "RegularExpression") == "RegularExpression";
        return new TrafficMatch
        {
            Path = PathOf(method.String("service"), method.String("method"), isRegex),
            Headers = HttpRouteReader.ReadNamedValues(match, "headers", StringComparer.OrdinalIgnoreCase),
        };
    }

    private static PathMatch PathOf(string? service, string? method, bool isRegex) => (service, method) switch
    {
        (null or "", null or "") => new PathMatch(PathMatchKind.Prefix, "/"),
        (_, null or "") when !isRegex => new PathMatch(PathMatchKind.TextPrefix, $"/{service}/"),
        (null or "", _) when !isRegex => new PathMatch(PathMatchKind.RegularExpression, $"/{Anything}/{Regex.Escape(method)}"),
        _ when !isRegex => new PathMatch(PathMatchKind.Exact, $"/{service}/{method}"),
        _ => new PathMatch(PathMatchKind.RegularExpression, $"/{Part(service)}/{Part(method)}"),
    };

    private static string Part(string? pattern) => string.IsNullOrEmpty(pattern) ? Anything : $"(?:{pattern})";
}
