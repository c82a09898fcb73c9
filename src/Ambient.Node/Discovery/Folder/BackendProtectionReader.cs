using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads which backends ask for TLS: BackendTLSPolicies, and of DestinationRules that they do; how their <c>tls</c> wants it is not acted on yet.</summary>
internal static class BackendProtectionReader
{
    public static BackendTlsPolicyObject ReadBackendTlsPolicy(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var validation = spec.ObjectOrEmpty("validation");
        return new BackendTlsPolicyObject(
            meta,
            [
                .. spec.Objects("targetRefs").Select(target => new ObjectReference(
                    target.String("group") ?? "", target.RequiredString("kind"), meta.Namespace, target.RequiredString("name"), target.String("sectionName"))),
            ])
        {
            ServerName = validation.RequiredString("hostname"),
            Authorities = [.. validation.Objects("caCertificateRefs").Select(reference => ObjectReferenceReader.Read(meta, reference, "", "ConfigMap"))],
            WellKnownAuthorities = validation.String("wellKnownCACertificates"),
            SubjectAltNames = [.. validation.Objects("subjectAltNames").Select(ReadName)],
        };
    }

    private static SubjectAltName ReadName(FieldReader name) => name.OneOf("type", "Hostname", "URI") == "URI"
        ? new SubjectAltName(true, name.RequiredString("uri"))
        : new SubjectAltName(false, name.RequiredString("hostname"));

    /// <summary>Ports of a DestinationRule with TLS that starts at the proxy; null stands for every port.</summary>
    public static IReadOnlyList<int?> TlsPortsOf(FieldReader spec)
    {
        var policy = spec.ObjectOrEmpty("trafficPolicy");
        var ports = new List<int?>();
        if (StartsTls(policy))
        {
            ports.Add(null);
        }

        foreach (var settings in policy.Objects("portLevelSettings"))
        {
            if (StartsTls(settings))
            {
                ports.Add(settings.ObjectOrEmpty("port").Integer("number", 1, 65535));
            }
        }

        return ports;
    }

    /// <summary>ISTIO_MUTUAL is what the mesh does by itself.</summary>
    private static bool StartsTls(FieldReader policy) => policy.ObjectOrEmpty("tls").String("mode") is "SIMPLE" or "MUTUAL";
}
