using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Gateways and GatewayClasses.</summary>
internal static class GatewayReader
{
    private const string GatewayGroup = "gateway.networking.k8s.io";

    public static GatewayClassObject ReadGatewayClass(ObjectMeta meta, FieldReader fields) =>
        new(meta) { ControllerName = fields.ObjectOrEmpty("spec").RequiredString("controllerName") };

    public static GatewayObject ReadGateway(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var infrastructure = spec.ObjectOrEmpty("infrastructure");
        var listeners = spec.Objects("listeners").Select(ReadListener).ToList();
        if (listeners.Count == 0)
        {
            spec.Error("listeners", "missing; expected at least one listener");
        }

        foreach (var twice in listeners.GroupBy(listener => listener.Name).Where(group => group.Count() > 1))
        {
            spec.Error("listeners", $"two listeners are named \"{twice.Key}\"");
        }

        var annotations = fields.ObjectOrEmpty("metadata").ObjectOrEmpty("annotations");
        return new GatewayObject(meta)
        {
            NumTrustedProxies = GatewayTopologyReader.NumTrustedProxies(infrastructure.ObjectOrEmpty("annotations"), infrastructure.StringMap("annotations").GetValueOrDefault(GatewayTopologyReader.Annotation))
                ?? GatewayTopologyReader.NumTrustedProxies(annotations, meta.Annotation(GatewayTopologyReader.Annotation)),
            ClassName = spec.RequiredString("gatewayClassName"),
            Listeners = listeners,
            InfrastructureLabels = infrastructure.StringMap("labels"),
            InfrastructureAnnotations = infrastructure.StringMap("annotations"),
            StatusAddresses = [.. fields.ObjectOrEmpty("status").Objects("addresses").Select(ReadStatusAddress)],
        };
    }

    public static ReferenceGrantObject ReadReferenceGrant(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new ReferenceGrantObject(meta, new ReferenceGrant
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            From =
            [
                .. spec.Objects("from").Select(from => new GrantSource(
                    from.String("group") ?? "", from.RequiredString("kind"), from.RequiredString("namespace"))),
            ],
            To = [.. spec.Objects("to").Select(to => new GrantTarget(to.String("group") ?? "", to.RequiredString("kind"), to.String("name")))],
        });
    }

    private static GatewayListener ReadListener(FieldReader listener)
    {
        var routes = listener.ObjectOrEmpty("allowedRoutes");
        var namespaces = routes.ObjectOrEmpty("namespaces");
        var allowed = namespaces.OneOf("from", "Same", "All", "Selector") switch
        {
            "All" => AllowedNamespaces.All,
            "Selector" => AllowedNamespaces.Selector,
            _ => AllowedNamespaces.Same,
        };
        ImmutableDictionary<string, string>? selector = null;
        if (allowed == AllowedNamespaces.Selector)
        {
            if (namespaces.Object("selector") is { } labels)
            {
                // Half of a selector would be wider than the whole: with expressions, which are not supported, it selects nothing.
                var matchLabels = labels.StringMap("matchLabels");
                selector = labels.Has("matchExpressions") ? null : matchLabels.ToImmutableDictionary(StringComparer.Ordinal);
            }
            else
            {
                namespaces.Error("selector", "missing; from: Selector expects one");
            }
        }

        var hostname = listener.String("hostname");
        return new GatewayListener(
            listener.RequiredString("name"),
            listener.RequiredInteger("port", 1, 65535),
            listener.RequiredString("protocol"),
            string.IsNullOrEmpty(hostname) ? null : hostname,
            allowed,
            selector)
        {
            AllowedKinds = [.. routes.Objects("kinds").Select(kind => new RouteKind(kind.String("group") ?? GatewayGroup, kind.RequiredString("kind")))],
        };
    }

    private static GatewayStatusAddress ReadStatusAddress(FieldReader address)
    {
        var value = address.RequiredString("value");
        if (address.String("type") == "Hostname")
        {
            return new GatewayStatusAddress(value, null);
        }

        // An address of another type, or one that cannot be read, is one the mesh cannot dial.
        return new GatewayStatusAddress(null, IPText.TryParseAddress(value, out var ip) ? ip : null);
    }
}
