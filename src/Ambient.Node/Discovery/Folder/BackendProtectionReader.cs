using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
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
                .. spec.Objects("targetRefs").Select(target => ReadTarget(meta, target)),
            ])
        {
            ServerName = validation.RequiredString("hostname"),
            Authorities = [.. validation.Objects("caCertificateRefs").Select(reference => ObjectReferenceReader.Read(meta, reference, "", "ConfigMap"))],
            WellKnownAuthorities = validation.String("wellKnownCACertificates"),
            SubjectAltNames = [.. validation.Objects("subjectAltNames").Select(ReadName)],
        };
    }

    private static ObjectReference ReadTarget(ObjectMeta meta, FieldReader target)
    {
        var group = target.String("group") ?? "";
        var kind = target.RequiredString("kind");
        KindCheck.CheckReference(target, group, kind, isClosed: true);
        return new ObjectReference(group, kind, meta.Namespace, target.RequiredString("name"), ObjectReferenceReader.Text(target, "sectionName"));
    }

    private static SubjectAltName ReadName(FieldReader name) => name.OneOf("type", "Hostname", "URI") == "URI"
        ? new SubjectAltName(true, name.RequiredString("uri"))
        : new SubjectAltName(false, name.RequiredString("hostname"));
}
