using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads BackendTLSPolicies.</summary>
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
}
