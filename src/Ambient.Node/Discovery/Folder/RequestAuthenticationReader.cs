using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads where RequestAuthentications look for tokens. How tokens are verified is not acted on yet.</summary>
internal static class RequestAuthenticationReader
{
    /// <summary>Where a rule looks that does not say where.</summary>
    private static readonly TokenLocation[] s_usual = [new(TokenPart.Header, "authorization", "Bearer "), new(TokenPart.Parameter, "access_token")];

    public static RequestAuthenticationObject ReadRequestAuthentication(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new RequestAuthenticationObject(meta, new RequestAuthentication
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Targets = PolicyTargets.Read(meta, spec),
            Selector = PolicySelectors.Read(spec)?.ToImmutableDictionary(StringComparer.Ordinal),
            Locations = [.. spec.Objects("jwtRules").SelectMany(ReadLocations).Distinct()],
        });
    }

    private static IEnumerable<TokenLocation> ReadLocations(FieldReader rule)
    {
        TokenLocation[] locations =
        [
            .. rule.Objects("fromHeaders").Select(header => new TokenLocation(TokenPart.Header, header.RequiredString("name"), header.String("prefix") ?? "")),
            .. rule.Strings("fromParams").Select(name => new TokenLocation(TokenPart.Parameter, name)),
            .. rule.Strings("fromCookies").Select(name => new TokenLocation(TokenPart.Cookie, name)),
        ];
        return locations.Length > 0 ? locations : s_usual;
    }
}
