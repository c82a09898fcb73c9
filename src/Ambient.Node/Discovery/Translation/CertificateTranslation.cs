using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Secrets and ConfigMaps that Gateways and DestinationRules refer to. Others stay out of the mesh: a private key has no business in the memory of who does not show it.
/// </summary>
internal static class CertificateTranslation
{
    public static IEnumerable<KeyValuePair<string, TlsSecret>> Secrets(KubernetesObjects objects, IstioGatewayTranslation istio)
    {
        var wanted = objects.Gateways.Values.SelectMany(gateway => gateway.Listeners).Concat(objects.ListenerSets.Values.SelectMany(set => set.Set.Listeners))
            .SelectMany(listener => listener.Clients is null
                ? listener.Certificates
                : [.. listener.Certificates, .. listener.Certificates.Select(static secret => secret with { Name = secret.Name + TlsSecret.AuthoritiesSuffix })])
            .Concat(objects.Gateways.Values.Select(gateway => gateway.BackendClientCertificate).OfType<ObjectReference>());
        return Referred([.. wanted, .. istio.Sets.Values.SelectMany(OfServers), .. OfRules(objects, istio)], "Secret").Where(objects.TlsSecrets.ContainsKey).Select(key => KeyValuePair.Create(key, objects.TlsSecrets[key].Secret));
    }

    public static IEnumerable<KeyValuePair<string, CertificateBundle>> Bundles(KubernetesObjects objects)
    {
        var wanted = objects.Gateways.Values.SelectMany(gateway => gateway.ClientValidationByPort.Values.Append(gateway.ClientValidation))
            .OfType<ClientValidation>().SelectMany(validation => validation.Authorities);
        return Referred(wanted, "ConfigMap").Where(objects.CertificateBundles.ContainsKey).Select(key => KeyValuePair.Create(key, objects.CertificateBundles[key].Bundle));
    }

    /// <summary>A rule names a Secret of the proxy's namespace, whichever proxy observes it: gateways and waypoints are where Gateways are.</summary>
    private static IEnumerable<ObjectReference> OfRules(KubernetesObjects objects, IstioGatewayTranslation istio)
    {
        var names = objects.DestinationRules.Values
            .SelectMany(static rule => rule.Rule.Subsets.Select(static subset => subset.Policy).Append(rule.Rule.Policy))
            .OfType<TrafficPolicy>()
            .SelectMany(static policy => policy.Ports.Select(static port => port.Policy).Append(policy))
            .Select(static policy => policy.Tls?.CredentialName)
            .OfType<string>()
            .SelectMany(static name => new[] { name, name + TlsSecret.AuthoritiesSuffix })
            .Distinct(StringComparer.Ordinal)
            .ToArray();
        return objects.Gateways.Values.Select(static gateway => gateway.Meta.Namespace).Concat(istio.Gateways.Values.Select(static gateway => gateway.Namespace))
            .Distinct(StringComparer.Ordinal)
            .SelectMany(ns => names.Select(name => new ObjectReference("", "Secret", ns, name)));
    }

    private static IEnumerable<ObjectReference> OfServers(ListenerSet set) => set.Listeners.SelectMany(
        listener => listener.Certificates.Concat((listener.Server?.ClientValidation?.Authorities ?? []).Select(name => new ObjectReference("", "Secret", set.Parent.Namespace, name))));

    private static IEnumerable<string> Referred(IEnumerable<ObjectReference> references, string kind) => references
        .Where(reference => reference.Group is "" or "core" && reference.Kind == kind)
        .Select(reference => $"{reference.Namespace}/{reference.Name}")
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal);
}
