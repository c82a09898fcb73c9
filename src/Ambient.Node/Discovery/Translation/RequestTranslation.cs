using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>What waypoints and gateways read: Gateways, routes, and policies as written.</summary>
internal static class RequestTranslation
{
    public static RequestConfiguration Translate(KubernetesObjects objects, TranslationOptions options) => new()
    {
        RootNamespace = options.RootNamespace,
        TrustDomain = options.TrustDomain,
        ClusterDomain = options.ClusterDomain,
        Namespaces = objects.Namespaces.Values.ToImmutableDictionary(
            ns => ns.Meta.Name, ns => ns.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal), StringComparer.Ordinal),
        ReferenceGrants = objects.ReferenceGrants.Values.ToImmutableDictionary(
            grant => grant.Meta.Key, grant => grant.Grant, StringComparer.Ordinal),
        Gateways = objects.Gateways.Values.ToImmutableDictionary(
            gateway => gateway.Meta.Key, gateway => FromGateway(gateway, objects), StringComparer.Ordinal),
        HttpRoutes = objects.HttpRoutes.Values.ToImmutableDictionary(
            route => route.Meta.Key, route => route.Route, StringComparer.Ordinal),
        AuthorizationPolicies = objects.AuthorizationPolicies.Values.ToImmutableDictionary(
            policy => policy.Meta.Key, policy => policy.Policy, StringComparer.Ordinal),
        UnmetProtections = BackendProtectionTranslation.Translate(objects, options),
    };

    private static Mesh.Gateway FromGateway(GatewayObject gateway, KubernetesObjects objects)
    {
        var instance = objects.Pods.Values.FirstOrDefault(
            pod => pod.Meta.Namespace == gateway.Meta.Namespace && pod.Meta.Label(WellKnown.GatewayName) == gateway.Meta.Name);
        return new Mesh.Gateway
        {
            Name = gateway.Meta.Name,
            Namespace = gateway.Meta.Namespace,
            ClassName = gateway.ClassName,
            Listeners = [.. gateway.Listeners],
            Labels = gateway.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal),
            PodLabels = instance is null
                ? ImmutableDictionary<string, string>.Empty
                : instance.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal),
            Annotations = gateway.Meta.Annotations.ToImmutableDictionary(StringComparer.Ordinal),
            CreationTime = gateway.Meta.CreationTime,
        };
    }
}
