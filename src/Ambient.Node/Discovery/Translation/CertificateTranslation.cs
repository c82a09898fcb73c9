using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Secrets and ConfigMaps that Gateways refer to. Others stay out of the mesh: a private key has no business in the memory of who does not show it.
/// </summary>
internal static class CertificateTranslation
{
    public static IEnumerable<KeyValuePair<string, TlsSecret>> Secrets(KubernetesObjects objects)
    {
        var wanted = objects.Gateways.Values.SelectMany(gateway => gateway.Listeners).Concat(objects.ListenerSets.Values.SelectMany(set => set.Set.Listeners))
            .SelectMany(listener => listener.Certificates)
            .Concat(objects.Gateways.Values.Select(gateway => gateway.BackendClientCertificate).OfType<ObjectReference>());
        return Referred(wanted, "Secret").Where(objects.TlsSecrets.ContainsKey).Select(key => KeyValuePair.Create(key, objects.TlsSecrets[key].Secret));
    }

    public static IEnumerable<KeyValuePair<string, CertificateBundle>> Bundles(KubernetesObjects objects)
    {
        var wanted = objects.Gateways.Values.SelectMany(gateway => gateway.ClientValidationByPort.Values.Append(gateway.ClientValidation))
            .OfType<ClientValidation>().SelectMany(validation => validation.Authorities);
        return Referred(wanted, "ConfigMap").Where(objects.CertificateBundles.ContainsKey).Select(key => KeyValuePair.Create(key, objects.CertificateBundles[key].Bundle));
    }

    private static IEnumerable<string> Referred(IEnumerable<ObjectReference> references, string kind) => references
        .Where(reference => reference.Group is "" or "core" && reference.Kind == kind)
        .Select(reference => $"{reference.Namespace}/{reference.Name}")
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal);
}
