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
        unknown = wire.Rules.Count == 1 && wire.Rules[0].Match is { PathSpecifierCase: RouteMatch.PathSpecifierOneofCase.Prefix, Prefix: "/" } match
            && match.Headers.Count + match.QueryParameters.Count == 0 && IsUsual(wire.Rules[0].Requires, [.. wire.Providers.Keys])
            ? wire.BypassCorsPreflight ? null : "tokens that preflights must have, too"
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

        return new RequestAuthentication { Namespace = "", Name = "", Rules = rules.ToImmutable() };
    }

    /// <summary>
    /// What istiod asks for, in one of two forms: of one provider, that its token is valid or missing; of several, that the token of one is valid, or that
    /// of each is valid or missing.
    /// </summary>
    private static bool IsUsual(JwtRequirement? requirement, HashSet<string> providers)
    {
        if (providers.Count < 2)
        {
            return ValidOrMissing(requirement) is { } only && providers.SetEquals([only]);
        }

        if (requirement?.RequiresTypeCase != JwtRequirement.RequiresTypeOneofCase.RequiresAny
            || requirement.RequiresAny.Requirements.ToArray() is not [.. var named, { RequiresTypeCase: JwtRequirement.RequiresTypeOneofCase.RequiresAll } last])
        {
            return false;
        }

        var each = last.RequiresAll.Requirements.Select(ValidOrMissing).ToArray();
        return named.Length == providers.Count && each.Length == providers.Count && !each.Contains(null) && providers.SetEquals(each!)
            && named.All(static part => part.RequiresTypeCase == JwtRequirement.RequiresTypeOneofCase.ProviderName) && providers.SetEquals(named.Select(static part => part.ProviderName));
    }

    /// <summary>The provider whose token must be valid if there is one; null: something else is asked for.</summary>
    private static string? ValidOrMissing(JwtRequirement? requirement) =>
        requirement?.RequiresAny?.Requirements is [{ RequiresTypeCase: JwtRequirement.RequiresTypeOneofCase.ProviderName } provider, { RequiresTypeCase: JwtRequirement.RequiresTypeOneofCase.AllowMissing }]
            ? provider.ProviderName
            : null;

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
