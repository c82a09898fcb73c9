using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>What waypoints and gateways read: Gateways, routes, and policies as written.</summary>
internal static class RequestTranslation
{
    public static RequestConfiguration Translate(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var labels = objects.Namespaces.Values.Select(ns => KeyValuePair.Create(
            ns.Meta.Name, memory.Keep("labels of a namespace", ns.Meta.Name, [ns], () => ns.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal))));
        var istio = IstioGatewayTranslation.Translate(objects, options, memory);
        var gateways = objects.Gateways.Values.Select(gateway => KeyValuePair.Create(gateway.Meta.Key, FromGateway(gateway, objects, options, memory))).Concat(istio.Gateways);
        var protections = BackendProtectionTranslation.Translate(objects, options);
        IEnumerable<KeyValuePair<string, StreamRoute>> Routes(string kind) =>
            objects.StreamRoutes.Values.Where(route => route.Meta.Kind == kind).Select(route => KeyValuePair.Create(route.Meta.Key, route.Route));
        return new RequestConfiguration
        {
            RootNamespace = options.RootNamespace,
            TrustDomain = options.TrustDomain,
            TrustDomainAliases = [.. options.TrustDomainAliases],
            ClusterDomain = options.ClusterDomain,
            PathNormalization = options.PathNormalization,
            LogsAccess = options.LogsAccess,
            Telemetry = options.Telemetry,
            Telemetries = Table("telemetries", objects.Telemetries.Values.Select(o => KeyValuePair.Create(o.Meta.Key, o.Telemetry)), memory),
            Namespaces = Table("namespaces", labels, memory),
            ReferenceGrants = Table("grants", objects.ReferenceGrants.Values.Select(grant => KeyValuePair.Create(grant.Meta.Key, grant.Grant)), memory),
            Gateways = Table("gateways", gateways, memory),
            HttpRoutes = Table("routes", objects.HttpRoutes.Values.Select(route => KeyValuePair.Create(route.Route.Key, Exported(route, options, memory))), memory),
            AuthorizationPolicies = Table(
                "policies", objects.AuthorizationPolicies.Values.Select(policy => KeyValuePair.Create(policy.Meta.Key, policy.Policy)), memory),
            RequestAuthentications = Table(
                "authentications", objects.RequestAuthentications.Values.Select(o => KeyValuePair.Create(o.Meta.Key, o.Authentication)), memory),
            ExternalAuthorizers = Table("external authorizers", options.ExternalAuthorizers.Select(authorizer => KeyValuePair.Create(authorizer.Name, authorizer)), memory),
            DestinationRules = DestinationRuleTranslation.Translate(objects, options, memory),
            DefaultTrafficPolicy = options.DefaultTrafficPolicy,
            ConnectionDefaults = options.ConnectionDefaults,
            LocalityDefaults = options.LocalityDefaults,
            DefaultRetry = options.DefaultRetry,
            DefaultTryTimeout = options.DefaultTryTimeout,
            Sessions = DestinationRuleTranslation.Sessions(objects, options, memory),
            WorkloadLabels = DestinationRuleTranslation.Labels(objects, options, memory),
            ListenerSets = Table("listener sets", objects.ListenerSets.Values.Select(set => KeyValuePair.Create(set.Meta.Key, set.Set)).Concat(istio.Sets), memory),
            TlsRoutes = Table("TLS routes", Routes("TLSRoute"), memory),
            TcpRoutes = Table("TCP routes", Routes("TCPRoute"), memory),
            VirtualStreams = Table("streams of VirtualServices", objects.HttpRoutes.Values.Where(route => route.Streams is not null).Select(route => KeyValuePair.Create(route.Meta.Key, ExportedStreams(route, options, memory))), memory),
            Secrets = Table("secrets", CertificateTranslation.Secrets(objects, istio), memory),
            CertificateBundles = Table("authorities", CertificateTranslation.Bundles(objects), memory),
            BackendProtections = Table("protections", protections.Made.Select(made => KeyValuePair.Create(made.Key, memory.Keep("protection", made.Key, [made.Value], () => made.Value))), memory),
            UnmetProtections = protections.Unmet,
        };
    }

    /// <summary>A table of objects; the one before while it has the same instances.</summary>
    private static ImmutableDictionary<string, T> Table<T>(string name, IEnumerable<KeyValuePair<string, T>> entries, TranslationMemory memory)
        where T : class
    {
        var items = entries.ToArray();
        return memory.Keep(
            "table", name, [.. items.Select(entry => entry.Value)], () => ImmutableDictionary.CreateRange(StringComparer.Ordinal, items));
    }

    /// <summary>A VirtualService that does not say where it is exported to is where the mesh says; <c>.</c> is its own namespace.</summary>
    private static HttpRoute Exported(HttpRouteObject route, TranslationOptions options, TranslationMemory memory) =>
        route.Route is { Kind: HttpRoute.VirtualService, ExportTo.IsEmpty: true } && options.Exports.VirtualServices.Count > 0
            ? memory.Keep("exported", route.Route.Key, [route], () => route.Route with { ExportTo = ExportTo.InFull(options.Exports.VirtualServices, route.Meta) })
            : route.Route;

    private static StreamRoute ExportedStreams(HttpRouteObject route, TranslationOptions options, TranslationMemory memory) =>
        route.Streams!.ExportTo.IsEmpty && options.Exports.VirtualServices.Count > 0
            ? memory.Keep("exported streams", route.Route.Key, [route], () => route.Streams with { ExportTo = ExportTo.InFull(options.Exports.VirtualServices, route.Meta) })
            : route.Streams;

    private static Mesh.Gateway FromGateway(GatewayObject gateway, KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var instance = objects.Pods.Values.FirstOrDefault(
            pod => pod.Meta.Namespace == gateway.Meta.Namespace && pod.Meta.Label(WellKnown.GatewayName) == gateway.Meta.Name);
        return memory.Keep("gateway", gateway.Meta.Key, [gateway, instance], () => new Mesh.Gateway
        {
            Name = gateway.Meta.Name,
            Namespace = gateway.Meta.Namespace,
            ClassName = gateway.ClassName,
            Listeners = [.. gateway.Listeners],
            AllowedListenerNamespaces = gateway.AllowedListenerNamespaces,
            ListenerNamespaceSelector = gateway.ListenerNamespaceSelector,
            ClientValidation = gateway.ClientValidation,
            ClientValidationByPort = gateway.ClientValidationByPort,
            BackendClientCertificate = gateway.BackendClientCertificate,
            Labels = gateway.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal),
            PodLabels = instance is null
                ? ImmutableDictionary<string, string>.Empty
                : instance.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal),
            Annotations = gateway.Meta.Annotations.ToImmutableDictionary(StringComparer.Ordinal),
            CreationTime = gateway.Meta.CreationTime,
            NumTrustedProxies = gateway.Proxy.NumTrustedProxies ?? options.Proxy.NumTrustedProxies ?? 0,
            Headers = gateway.Proxy.Headers.Over(options.Proxy.Headers),
            ExpectsProxyHeader = gateway.Proxy.SendsProxyHeader ?? options.Proxy.SendsProxyHeader ?? false,
        });
    }
}
