using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads which backends ask for TLS: BackendTLSPolicies and DestinationRules. How it is to be made is not acted on yet.</summary>
internal static class BackendProtectionReader
{
    public static BackendTlsPolicyObject ReadBackendTlsPolicy(ObjectMeta meta, FieldReader fields) => new(
        meta,
        [
            .. fields.ObjectOrEmpty("spec").Objects("targetRefs").Select(target => new ObjectReference(
                target.String("group") ?? "", target.RequiredString("kind"), meta.Namespace, target.RequiredString("name"), target.String("sectionName"))),
        ]);

    public static DestinationRuleObject ReadDestinationRule(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
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

        return new DestinationRuleObject(meta, spec.RequiredString("host"), ports);
    }

    /// <summary>ISTIO_MUTUAL is what the mesh does by itself.</summary>
    private static bool StartsTls(FieldReader policy) => policy.ObjectOrEmpty("tls").String("mode") is "SIMPLE" or "MUTUAL";
}
