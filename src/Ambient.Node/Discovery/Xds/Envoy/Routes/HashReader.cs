using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>What requests of a route hash by.</summary>
internal static class HashReader
{
    /// <summary>Reads the first property that is known; null: none. A table to look it up in is the cluster's to say.</summary>
    public static ConsistentHash? Read(IEnumerable<RouteAction.Types.HashPolicy> policies)
    {
        foreach (var policy in policies)
        {
            switch (policy.PolicySpecifierCase)
            {
                case RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Header:
                    return new ConsistentHash(HashSource.Header, policy.Header.HeaderName);
                case RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Cookie:
                    return new ConsistentHash(HashSource.Cookie, policy.Cookie.Name)
                    {
                        CookiePath = policy.Cookie.Path,
                        CookieLifetime = policy.Cookie.Ttl?.ToTimeSpan(),
                        CookieAttributes = [.. policy.Cookie.Attributes.Select(attribute => new NamedValue(attribute.Name, attribute.Value))],
                    };
                case RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.QueryParameter:
                    return new ConsistentHash(HashSource.QueryParameter, policy.QueryParameter.Name);
                case RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.ConnectionProperties when policy.ConnectionProperties.SourceIp:
                    return new ConsistentHash(HashSource.SourceAddress, "");
            }
        }

        return null;
    }
}
