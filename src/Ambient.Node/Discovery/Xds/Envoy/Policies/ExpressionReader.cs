using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Permissions and principals as expressions. What is not understood is unknown, and so lets nobody in.</summary>
internal static class ExpressionReader
{
    // The metadata that a verified token leaves.
    private const string Tokens = "envoy.filters.http.jwt_authn";
    private const string Payload = "payload";
    private const string PeerIdentity = "io.istio.peer_principal";

    /// <summary>One of the permissions and one of the principals must hold. Without either it would never: Envoy takes no such policy.</summary>
    public static ImmutableArray<RequestExpression> Read(RuleSetPolicy policy) => policy.Permissions.Count == 0 || policy.Principals.Count == 0
        ? [new UnknownExpression("a policy without permissions or principals")]
        : [Joined(new AnyExpression([.. policy.Permissions.Select(Read)])), Joined(new AnyExpression([.. policy.Principals.Select(Read)]))];

    private static RequestExpression Read(Permission wire) => wire.RuleCase switch
    {
        Permission.RuleOneofCase.Any when wire.Any => RequestExpression.Always,
        Permission.RuleOneofCase.AndRules => Joined(new AllExpression([.. wire.AndRules.Rules.Select(Read)])),
        Permission.RuleOneofCase.OrRules => Joined(new AnyExpression([.. wire.OrRules.Rules.Select(Read)])),
        Permission.RuleOneofCase.NotRule => new NotExpression(Read(wire.NotRule)),
        Permission.RuleOneofCase.Header => Header(wire.Header),
        Permission.RuleOneofCase.UrlPath => Text(RequestText.Path, wire.UrlPath.Path),
        Permission.RuleOneofCase.UriTemplate => Template(wire.UriTemplate),
        Permission.RuleOneofCase.DestinationPort when wire.DestinationPort is > 0 and <= 65535 => new PortExpression((int)wire.DestinationPort),
        Permission.RuleOneofCase.DestinationIp => Address(RequestAddress.Destination, wire.DestinationIp),
        Permission.RuleOneofCase.RequestedServerName => Text(RequestText.ServerName, wire.RequestedServerName),
        Permission.RuleOneofCase.Metadata => Claim(wire.Metadata),
        _ => new UnknownExpression($"a permission that is not known ({wire.RuleCase})"),
    };

    private static RequestExpression Read(Principal wire) => wire.IdentifierCase switch
    {
        Principal.IdentifierOneofCase.Any when wire.Any => RequestExpression.Always,
        Principal.IdentifierOneofCase.AndIds => Joined(new AllExpression([.. wire.AndIds.Ids.Select(Read)])),
        Principal.IdentifierOneofCase.OrIds => Joined(new AnyExpression([.. wire.OrIds.Ids.Select(Read)])),
        Principal.IdentifierOneofCase.NotId => new NotExpression(Read(wire.NotId)),
        Principal.IdentifierOneofCase.FilterState when wire.FilterState.Key == PeerIdentity => Text(RequestText.Identity, wire.FilterState.StringMatch),
        Principal.IdentifierOneofCase.Authenticated => wire.Authenticated.PrincipalName is null
            ? new TextExpression(RequestText.Identity, "", new(TextComparisonKind.Present, ""))
            : Text(RequestText.Identity, wire.Authenticated.PrincipalName),
        Principal.IdentifierOneofCase.DirectRemoteIp => Address(RequestAddress.Source, wire.DirectRemoteIp),
        Principal.IdentifierOneofCase.RemoteIp => Address(RequestAddress.Client, wire.RemoteIp),
        Principal.IdentifierOneofCase.Header => Header(wire.Header),
        Principal.IdentifierOneofCase.Metadata => Claim(wire.Metadata),
        _ => new UnknownExpression($"a principal that is not known ({wire.IdentifierCase})"),
    };

    private static RequestExpression Text(RequestText text, StringMatcher? matcher, string name = "") =>
        Texts.Comparison(matcher) is { } comparison ? new TextExpression(text, name, comparison) : new UnknownExpression("a comparison of a text that is not known");

    private static RequestExpression Header(HeaderMatcher wire)
    {
        switch (wire.HeaderMatchSpecifierCase)
        {
            case HeaderMatcher.HeaderMatchSpecifierOneofCase.PresentMatch:
                var present = new TextExpression(RequestText.Header, wire.Name, new(TextComparisonKind.Present, ""));
                return wire.PresentMatch == wire.InvertMatch ? new NotExpression(present) : present;
            case HeaderMatcher.HeaderMatchSpecifierOneofCase.StringMatch when wire is { InvertMatch: false, TreatMissingHeaderAsEmpty: false }:
                return Text(RequestText.Header, wire.StringMatch, wire.Name);
            default:
                return new UnknownExpression($"a comparison of the header {wire.Name} that is not known");
        }
    }

    private static RequestExpression Address(RequestAddress address, Protos.Envoy.CidrRange wire) => Texts.TryRange(wire.AddressPrefix, wire.PrefixLen, out var range)
        ? new AddressExpression(address, range.Value)
        : new UnknownExpression($"a range that is none: {wire.AddressPrefix}");

    /// <summary>Envoy's templates have the operators bare.</summary>
    private static RequestExpression Template(Extension wire)
    {
        if (wire.TypedConfig?.TypeUrl != EnvoyTypes.UriTemplate)
        {
            return new UnknownExpression("a template that is not known");
        }

        var template = Strict.Read(UriTemplateMatchConfig.Parser, wire.TypedConfig.Value, out var isWhole).PathTemplate;
        var segments = template.Split('/').Select(segment => segment switch { "*" => "{*}", "**" => "{**}", _ => segment });
        return isWhole ? new PathTemplateExpression(string.Join('/', segments)) : new UnknownExpression("a template that is not known");
    }

    private static RequestExpression Claim(MetadataMatcher wire)
    {
        if (wire.Filter != Tokens || wire.Path.Count < 2 || wire.Path[0].Key != Payload
            || wire.Path.Any(part => part.SegmentCase != MetadataMatcher.Types.PathSegment.SegmentOneofCase.Key))
        {
            return new UnknownExpression($"metadata that is not known: {wire.Filter}");
        }

        return Comparison(wire.Value) is { } comparison
            ? new ClaimExpression([.. wire.Path.Skip(1).Select(part => part.Key)], comparison)
            : new UnknownExpression("a comparison of a claim that is not known");
    }

    /// <summary>A text, one of a list, or either, by one comparison; null: another.</summary>
    private static TextComparison? Comparison(ValueMatcher? value)
    {
        switch (value?.MatchPatternCase)
        {
            case ValueMatcher.MatchPatternOneofCase.StringMatch:
                return Texts.Comparison(value.StringMatch);
            case ValueMatcher.MatchPatternOneofCase.ListMatch when value.ListMatch.OneOf?.MatchPatternCase == ValueMatcher.MatchPatternOneofCase.StringMatch:
                return Texts.Comparison(value.ListMatch.OneOf.StringMatch);
            case ValueMatcher.MatchPatternOneofCase.OrMatch:
                TextComparison? common = null;
                foreach (var part in value.OrMatch.ValueMatchers)
                {
                    if (part.MatchPatternCase == ValueMatcher.MatchPatternOneofCase.OrMatch || Comparison(part) is not { } comparison || (common ?? comparison) != comparison)
                    {
                        return null;
                    }

                    common = comparison;
                }

                return common;
            default:
                return null;
        }
    }

    /// <summary>A list of one is its part.</summary>
    private static RequestExpression Joined(RequestExpression list) => list switch
    {
        AllExpression { Parts: [var only] } => only,
        AnyExpression { Parts: [var only] } => only,
        _ => list,
    };
}
