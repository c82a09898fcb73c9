using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads the listeners of Gateways and ListenerSets.</summary>
internal static class ListenerReader
{
    // Istio's option that asks clients for certificates, whose authorities are in the listener's own Secret.
    private const string TerminateMode = "gateway.istio.io/tls-terminate-mode";

    /// <summary>Every listener of an object; it is an error to have none, or two of one name.</summary>
    public static List<GatewayListener> ReadAll(ObjectMeta meta, FieldReader spec)
    {
        var listeners = spec.Objects("listeners").Select(listener => Read(meta, listener)).ToList();
        if (listeners.Count == 0)
        {
            spec.Error("listeners", "missing; expected at least one listener");
        }

        foreach (var twice in listeners.GroupBy(listener => listener.Name).Where(group => group.Count() > 1))
        {
            spec.Error("listeners", $"two listeners are named \"{twice.Key}\"");
        }

        return listeners;
    }

    /// <summary>The <c>from</c> and <c>selector</c> of a set of namespaces.</summary>
    public static (AllowedNamespaces Allowed, ImmutableDictionary<string, string>? Selector) ReadNamespaces(FieldReader namespaces, AllowedNamespaces byDefault)
    {
        var allowed = namespaces.OneOf("from", "Same", "All", "Selector", "None") switch
        {
            "All" => AllowedNamespaces.All,
            "Selector" => AllowedNamespaces.Selector,
            "Same" => AllowedNamespaces.Same,
            "None" => AllowedNamespaces.None,
            _ => byDefault,
        };
        if (allowed != AllowedNamespaces.Selector)
        {
            return (allowed, null);
        }

        if (namespaces.Object("selector") is not { } labels)
        {
            namespaces.Error("selector", "missing; from: Selector expects one");
            return (allowed, null);
        }

        // Half of a selector would be wider than the whole: with expressions, which are not supported, it selects nothing.
        var matchLabels = labels.StringMap("matchLabels");
        return (allowed, labels.Has("matchExpressions") ? null : matchLabels.ToImmutableDictionary(StringComparer.Ordinal));
    }

    private static RouteKind ReadKind(FieldReader kind)
    {
        var allowed = new RouteKind(kind.String("group") ?? ObjectReferenceReader.GatewayGroup, kind.RequiredString("kind"));
        KindCheck.CheckReference(kind, allowed.Group, allowed.Kind);
        return allowed;
    }

    private static GatewayListener Read(ObjectMeta meta, FieldReader listener)
    {
        var routes = listener.ObjectOrEmpty("allowedRoutes");
        var (allowed, selector) = ReadNamespaces(routes.ObjectOrEmpty("namespaces"), AllowedNamespaces.Same);
        var hostname = listener.String("hostname");
        var tls = listener.Object("tls");
        ImmutableArray<ObjectReference> certificates = tls is null ? [] : [.. tls.Objects("certificateRefs").Select(reference => ObjectReferenceReader.Read(meta, reference, "", "Secret"))];
        var mode = tls?.StringMap("options").GetValueOrDefault(TerminateMode);
        return new GatewayListener(
            listener.RequiredString("name"),
            listener.RequiredInteger("port", 1, 65535),
            listener.RequiredString("protocol"),
            string.IsNullOrEmpty(hostname) ? null : hostname,
            allowed,
            selector)
        {
            AllowedKinds =
            [
                .. routes.Objects("kinds").Select(ReadKind),
            ],
            TerminatesTls = tls is not null && tls.OneOf("mode", "Terminate", "Passthrough") != "Passthrough",

            // The mesh's own certificates are none that this gateway shows: without another the listener is not served.
            Certificates = mode == "ISTIO_MUTUAL" ? [] : certificates,
            Clients = mode is "MUTUAL" or "OPTIONAL_MUTUAL"
                ? new IstioClientValidation([.. certificates.SelectMany(static secret => new[] { secret.Name + TlsSecret.AuthoritiesSuffix, secret.Name })], mode == "OPTIONAL_MUTUAL")
                : null,
        };
    }
}
