using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Gateways, GatewayClasses, ListenerSets and ReferenceGrants.</summary>
internal static class GatewayReader
{
    public static GatewayClassObject ReadGatewayClass(ObjectMeta meta, FieldReader fields) =>
        new(meta) { ControllerName = fields.ObjectOrEmpty("spec").RequiredString("controllerName") };

    public static GatewayObject ReadGateway(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var infrastructure = spec.ObjectOrEmpty("infrastructure");
        var tls = spec.ObjectOrEmpty("tls");
        var frontend = tls.ObjectOrEmpty("frontend");
        var (allowed, selector) = ListenerReader.ReadNamespaces(spec.ObjectOrEmpty("allowedListeners").ObjectOrEmpty("namespaces"), AllowedNamespaces.None);
        var byPort = ImmutableDictionary.CreateBuilder<int, ClientValidation?>();
        foreach (var port in frontend.Objects("perPort"))
        {
            var number = port.RequiredInteger("port", 1, 65535);
            if (!byPort.TryAdd(number, ReadValidation(meta, port.ObjectOrEmpty("tls"))))
            {
                port.Error("port", $"port {number} occurs twice");
            }
        }

        var annotations = fields.ObjectOrEmpty("metadata").ObjectOrEmpty("annotations");
        return new GatewayObject(meta)
        {
            Proxy = ProxySettingsReader.Read(infrastructure.ObjectOrEmpty("annotations"), infrastructure.StringMap("annotations").GetValueOrDefault(ProxySettingsReader.Annotation))
                .Over(ProxySettingsReader.Read(annotations, meta.Annotation(ProxySettingsReader.Annotation))),
            ClassName = spec.RequiredString("gatewayClassName"),
            Listeners = ListenerReader.ReadAll(meta, spec),
            AllowedListenerNamespaces = allowed,
            ListenerNamespaceSelector = selector,
            ClientValidation = ReadValidation(meta, frontend.ObjectOrEmpty("default")),
            ClientValidationByPort = byPort.ToImmutable(),
            BackendClientCertificate = tls.ObjectOrEmpty("backend").Object("clientCertificateRef") is { } certificate
                ? ObjectReferenceReader.Read(meta, certificate, "", "Secret")
                : null,
            InfrastructureLabels = infrastructure.StringMap("labels"),
            InfrastructureAnnotations = infrastructure.StringMap("annotations"),
            StatusAddresses = [.. fields.ObjectOrEmpty("status").Objects("addresses").Select(ReadStatusAddress)],
        };
    }

    public static ListenerSetObject ReadListenerSet(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new ListenerSetObject(meta, new ListenerSet
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Parent = ObjectReferenceReader.Read(meta, spec.ObjectOrEmpty("parentRef"), ObjectReferenceReader.GatewayGroup, "Gateway"),
            Listeners = [.. ListenerReader.ReadAll(meta, spec)],
            CreationTime = meta.CreationTime,
        });
    }

    public static ReferenceGrantObject ReadReferenceGrant(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new ReferenceGrantObject(meta, new ReferenceGrant
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            From = [.. spec.Objects("from").Select(ReadSource)],
            To = [.. spec.Objects("to").Select(ReadTarget)],
        });
    }

    private static GrantSource ReadSource(FieldReader from)
    {
        var source = new GrantSource(from.String("group") ?? "", from.RequiredString("kind"), from.RequiredString("namespace"));
        KindCheck.CheckReference(from, source.Group, source.Kind);
        return source;
    }

    private static GrantTarget ReadTarget(FieldReader to)
    {
        var target = new GrantTarget(to.String("group") ?? "", to.RequiredString("kind"), to.String("name"));
        KindCheck.CheckReference(to, target.Group, target.Kind);
        if (target.Name is "")
        {
            // Neither nothing nor everything is what somebody wrote this for.
            to.Error("name", "empty; expected the name of the one object that is granted, or no name to grant all of the kind");
        }

        return target;
    }

    /// <summary>Whether and how clients are verified; null: they are not asked for a certificate.</summary>
    private static ClientValidation? ReadValidation(ObjectMeta meta, FieldReader tls) => tls.Object("validation") is not { } validation ? null : new ClientValidation(
        [.. validation.Objects("caCertificateRefs").Select(reference => ObjectReferenceReader.Read(meta, reference, "", "ConfigMap"))],
        validation.OneOf("mode", "AllowValidOnly", "AllowInsecureFallback") == "AllowInsecureFallback");

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
