using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Which tokens requests of a chain may carry.</summary>
internal static class TokenReader
{
    // Keys that nobody has: every token of the issuer fails.
    private const string NoKeys = """{"keys":[]}""";

    /// <summary>Reads the filter.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="where">Where it is, for people.</param>
    /// <param name="problems">Takes what is not understood of a single issuer: its tokens fail.</param>
    /// <param name="unknown">What is not understood of the whole, so that the chain must not be served; null: nothing.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static RequestAuthentication Read(ByteString bytes, string where, Problems problems, out string? unknown)
    {
        var wire = Strict.Read(JwtAuthentication.Parser, bytes, out var isWhole);
        var named = new HashSet<string>(StringComparer.Ordinal);
        unknown = wire.Rules.Count == 1 && wire.Rules[0].Match is { PathSpecifierCase: RouteMatch.PathSpecifierOneofCase.Prefix, Prefix: "/" } match
            && match.Headers.Count + match.QueryParameters.Count == 0 && IsUsual(wire.Rules[0].Requires, named)
            ? named.FirstOrDefault(name => !wire.Providers.ContainsKey(name)) is { } missing ? $"the token provider {missing} is not there" : null
            : "a requirement of tokens that is not known";
        var rules = ImmutableArray.CreateBuilder<JwtRule>();
        if (!isWhole)
        {
            unknown ??= "tokens with a field that is not known";
        }

        foreach (var (_, provider) in wire.Providers.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            var issuer = Strict.Read(JwtProvider.Parser, provider, out var isKnown);
            if (!isKnown)
            {
                problems.Add($"{where} issuer {issuer.Issuer}", "tokens with a field that is not known");
            }

            rules.Add(Rule(issuer, isKnown, $"{where} issuer {issuer.Issuer}", problems));
        }

        return new RequestAuthentication { Namespace = "", Name = "tokens", Rules = rules.ToImmutable() };
    }

    /// <summary>What istiod asks for: whoever has a token has a valid one of a provider, and none is no fault.</summary>
    private static bool IsUsual(JwtRequirement? requirement, HashSet<string> named)
    {
        switch (requirement?.RequiresTypeCase)
        {
            case JwtRequirement.RequiresTypeOneofCase.RequiresAny:
                return requirement.RequiresAny.Requirements.All(part => IsPart(part, named))
                    && requirement.RequiresAny.Requirements.Any(part => AllowsNone(part, 8));
            case JwtRequirement.RequiresTypeOneofCase.RequiresAll:
                return requirement.RequiresAll.Requirements.All(part => IsUsual(part, named));
            default:
                return false;
        }
    }

    private static bool IsPart(JwtRequirement part, HashSet<string> named)
    {
        switch (part.RequiresTypeCase)
        {
            case JwtRequirement.RequiresTypeOneofCase.ProviderName:
                named.Add(part.ProviderName);
                return true;
            case JwtRequirement.RequiresTypeOneofCase.AllowMissing:
                return true;
            default:
                return IsUsual(part, named);
        }
    }

    private static bool AllowsNone(JwtRequirement part, int depth) => depth > 0 && part.RequiresTypeCase switch
    {
        JwtRequirement.RequiresTypeOneofCase.AllowMissing => true,
        JwtRequirement.RequiresTypeOneofCase.RequiresAll => part.RequiresAll.Requirements.All(inner => AllowsNone(inner, depth - 1)),
        JwtRequirement.RequiresTypeOneofCase.RequiresAny => part.RequiresAny.Requirements.Any(inner => AllowsNone(inner, depth - 1)),
        _ => false,
    };

    private static JwtRule Rule(JwtProvider wire, bool isWhole, string where, Problems problems)
    {
        ImmutableArray<TokenLocation> locations =
        [
            .. wire.FromHeaders.Select(header => new TokenLocation(TokenPart.Header, header.Name, header.ValuePrefix)),
            .. wire.FromParams.Select(name => new TokenLocation(TokenPart.Parameter, name)),
            .. wire.FromCookies.Select(name => new TokenLocation(TokenPart.Cookie, name)),
        ];
        string? keys = null, uri = null;
        switch (wire.JwksSourceSpecifierCase)
        {
            case var _ when !isWhole:
                keys = NoKeys;
                break;
            case var _ when wire.PayloadInMetadata is not ("" or "payload"):
                // Policies look for claims there, and nowhere else.
                keys = NoKeys;
                problems.Add(where, "claims under a name that no policy looks at");
                break;
            case JwtProvider.JwksSourceSpecifierOneofCase.LocalJwks when wire.LocalJwks.SpecifierCase is DataSource.SpecifierOneofCase.InlineString or DataSource.SpecifierOneofCase.InlineBytes:
                keys = wire.LocalJwks.InlineString.Length > 0 ? wire.LocalJwks.InlineString : wire.LocalJwks.InlineBytes.ToStringUtf8();
                break;
            case JwtProvider.JwksSourceSpecifierOneofCase.RemoteJwks when wire.RemoteJwks.HttpUri is { Uri.Length: > 0 } http:
                uri = http.Uri;
                break;
            default:
                keys = NoKeys;
                problems.Add(where, "keys that are neither here nor at an address");
                break;
        }

        return new JwtRule
        {
            Issuer = wire.Issuer,
            Audiences = [.. wire.Audiences],
            Jwks = keys,
            JwksUri = uri,
            Locations = locations.IsEmpty ? JwtRule.UsualLocations : locations,
            ForwardOriginalToken = wire.Forward,
            OutputPayloadToHeader = wire.ForwardPayloadHeader.Length > 0 ? wire.ForwardPayloadHeader : null,
            OutputClaimToHeaders = [.. wire.ClaimToHeaders.Select(claim => new ClaimHeader(claim.HeaderName, claim.ClaimName))],
            Timeout = wire.RemoteJwks?.HttpUri?.Timeout?.ToTimeSpan() is { } timeout && timeout > TimeSpan.Zero ? timeout : TimeSpan.FromSeconds(5),
            SpaceDelimitedClaims = [.. wire.NormalizePayloadInMetadata?.SpaceDelimitedClaims.Where(claim => claim is not ("scope" or "permission")) ?? []],
        };
    }
}
