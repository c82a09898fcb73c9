using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>Which requests a route is for.</summary>
internal static class RouteMatchReader
{
    /// <summary>Reads a match; what is not understood in it is not asked, and named.</summary>
    public static TrafficMatch Read(RouteMatch wire, ImmutableArray<string>.Builder unknown)
    {
        var match = new TrafficMatch { Path = Path(wire, unknown) };
        var headers = ImmutableArray.CreateBuilder<NamedValueMatch>();
        foreach (var header in wire.Headers)
        {
            if (Header(header) is not { } read)
            {
                unknown.Add($"a comparison of the header {header.Name} that is not known");
                continue;
            }

            var plain = !read.IsInverted;
            switch (header.Name)
            {
                case ":method" when plain && match.Method is null:
                    match = match with { Method = read.Value };
                    break;
                case ":authority" when plain && match.Authority is null:
                    match = match with { Authority = read.Value };
                    break;
                case ":scheme" when plain && match.Scheme is null:
                    match = match with { Scheme = read.Value };
                    break;
                case var name when name.StartsWith(':') || headers.Any(other => other.IsInverted == read.IsInverted && other.Name.Equals(name, StringComparison.OrdinalIgnoreCase)):
                    unknown.Add($"more than one comparison of the header {name}");
                    break;
                default:
                    headers.Add(read);
                    break;
            }
        }

        var parameters = ImmutableArray.CreateBuilder<NamedValueMatch>();
        foreach (var parameter in wire.QueryParameters)
        {
            if (Texts.Match(parameter.StringMatch) is { } text && parameters.All(other => other.Name != parameter.Name))
            {
                parameters.Add(new NamedValueMatch(parameter.Name, text));
            }
            else
            {
                unknown.Add($"a comparison of the parameter {parameter.Name} that is not known");
            }
        }

        return match with { Headers = headers.ToImmutable(), QueryParams = parameters.ToImmutable() };
    }

    private static PathMatch Path(RouteMatch wire, ImmutableArray<string>.Builder unknown)
    {
        var ignoresCase = wire.CaseSensitive == false;
        switch (wire.PathSpecifierCase)
        {
            case RouteMatch.PathSpecifierOneofCase.Prefix:
                return new PathMatch(PathMatchKind.TextPrefix, wire.Prefix) { IgnoresCase = ignoresCase };
            case RouteMatch.PathSpecifierOneofCase.Path:
                return new PathMatch(PathMatchKind.Exact, wire.Path) { IgnoresCase = ignoresCase };
            case RouteMatch.PathSpecifierOneofCase.PathSeparatedPrefix:
                return new PathMatch(PathMatchKind.Prefix, wire.PathSeparatedPrefix) { IgnoresCase = ignoresCase };
            case RouteMatch.PathSpecifierOneofCase.SafeRegex when Texts.IsUsable(wire.SafeRegex.Regex):
                return new PathMatch(PathMatchKind.RegularExpression, wire.SafeRegex.Regex);
            default:
                unknown.Add("a comparison of the path that is not known");
                return new PathMatch(PathMatchKind.TextPrefix, "/");
        }
    }

    private static NamedValueMatch? Header(HeaderMatcher wire)
    {
        switch (wire.HeaderMatchSpecifierCase)
        {
            case HeaderMatcher.HeaderMatchSpecifierOneofCase.PresentMatch:
                return new NamedValueMatch(wire.Name, new TextMatch(TextMatchKind.Present, "")) { IsInverted = wire.PresentMatch == wire.InvertMatch };
            case HeaderMatcher.HeaderMatchSpecifierOneofCase.StringMatch when Texts.Match(wire.StringMatch) is { } text:
                // Inverted, a header that is missing counts as empty here; where Envoy would not count it, that is not the same.
                return wire is { InvertMatch: true, TreatMissingHeaderAsEmpty: false } or { InvertMatch: false, TreatMissingHeaderAsEmpty: true }
                    ? null
                    : new NamedValueMatch(wire.Name, text) { IsInverted = wire.InvertMatch };
            default:
                return null;
        }
    }
}
