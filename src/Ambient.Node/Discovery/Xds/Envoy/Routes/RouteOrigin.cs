using Ambient.Node.Protos.Envoy;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>The object that a route comes from, as istiod says it for its tools.</summary>
internal static class RouteOrigin
{
    /// <summary>
    /// Key of the object (<c>namespace/name</c>) and name of the rule in it. What istiod makes of Gateway API routes has a name of its own
    /// (<c>app~80~host</c>) in the metadata; there the route's name has the object's, and the rule's number (<c>app.web.0</c>). Null: nothing is said.
    /// </summary>
    public static (string? Object, string? Rule) Of(Route wire)
    {
        ArgumentNullException.ThrowIfNull(wire);
        var name = wire.Name.Length == 0 ? null : wire.Name;
        if (wire.Metadata is null || !wire.Metadata.FilterMetadata.TryGetValue("istio", out var istio)
            || !istio.Fields.TryGetValue("config", out var config) || config.KindCase != Value.KindOneofCase.StringValue
            || config.StringValue.Split('/') is not [.., var ns, "virtual-service", var service])
        {
            return (null, name);
        }

        if (!service.Contains('~', StringComparison.Ordinal))
        {
            return ($"{ns}/{service}", name);
        }

        // A namespace has no dots; a name may.
        var (first, last) = (wire.Name.IndexOf('.', StringComparison.Ordinal), wire.Name.LastIndexOf('.'));
        return first > 0 && last > first + 1 ? ($"{wire.Name[..first]}/{wire.Name[(first + 1)..last]}", wire.Name[(last + 1)..]) : (null, name);
    }
}
