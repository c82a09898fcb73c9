using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads TLSRoutes and TCPRoutes, with the defaults of the Gateway API (https://gateway-api.sigs.k8s.io/reference/spec/).</summary>
internal static class StreamRouteReader
{
    public static StreamRouteObject Read(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");

        // Every rule is read, for its errors; rules of such a route match everything, so that the first one has it all.
        var rules = spec.Objects("rules").Select(rule => rule.Objects("backendRefs").Select(backend => ReadBackend(meta, backend)).ToArray()).ToArray();
        return new StreamRouteObject(meta, new StreamRoute
        {
            Kind = meta.Kind,
            Name = meta.Name,
            Namespace = meta.Namespace,
            ParentRefs = [.. spec.Objects("parentRefs").Select(parent => RouteReferences.Parent(meta, parent))],
            Hostnames = meta.Kind == "TLSRoute" ? [.. spec.Strings("hostnames")] : [],
            Backends = rules.Length == 0 ? [] : [.. rules[0]],
            CreationTime = meta.CreationTime,
        });
    }

    private static StreamRouteBackend ReadBackend(ObjectMeta meta, FieldReader backend) =>
        new(RouteReferences.Backend(meta, backend), RouteReferences.Weight(backend));
}
