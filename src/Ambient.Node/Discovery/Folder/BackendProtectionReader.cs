using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads which backends ask for TLS: BackendTLSPolicies, and the <c>tls</c> of DestinationRules. How it is to be made is not acted on yet.</summary>
internal static class BackendProtectionReader
{
    public static BackendTlsPolicyObject ReadBackendTlsPolicy(ObjectMeta meta, FieldReader fields) => new(
        meta,
        [
            .. fields.ObjectOrEmpty("spec").Objects("targetRefs").Select(target => new ObjectReference(
                target.String("group") ?? "", target.RequiredString("kind"), meta.Namespace, target.RequiredString("name"), target.String("sectionName"))),
        ]);

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
