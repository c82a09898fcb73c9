using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Which backends ask for TLS that nothing makes yet: they get nothing until it is made.</summary>
internal static class BackendProtectionTranslation
{
    public static ImmutableArray<UnmetProtection> Translate(KubernetesObjects objects, TranslationOptions options) =>
    [
        .. objects.BackendTlsPolicies.Values.SelectMany(policy => policy.Targets.SelectMany(target => OfTarget(objects, options, policy.Meta, target))),
        .. objects.DestinationRules.Values.SelectMany(rule => OfRule(options, rule)),
    ];

    private static IEnumerable<UnmetProtection> OfTarget(KubernetesObjects objects, TranslationOptions options, ObjectMeta policy, ObjectReference target)
    {
        var (hosts, ports) = target switch
        {
            { Group: "" or "core", Kind: "Service" } =>
                (new[] { $"{target.Name}.{target.Namespace}.svc.{options.ClusterDomain}" },
                    objects.Services.GetValueOrDefault($"{target.Namespace}/{target.Name}")?.Ports),
            { Group: "networking.istio.io", Kind: "ServiceEntry" } when objects.ServiceEntries.GetValueOrDefault($"{target.Namespace}/{target.Name}") is { } entry =>
                ([.. entry.Hosts], entry.Ports),
            { Group: "networking.istio.io", Kind: "Hostname" } => ([target.Name], null),
            _ => ([], null),
        };

        // A section that no port is named after may be one that is misspelt: then all of them are meant.
        var named = target.SectionName is { } section ? ports?.Where(port => port.Name == section).Select(port => (int?)port.Port).ToArray() ?? [] : [];
        return hosts.SelectMany(host => (named.Length > 0 ? named : [null]).Select(port => new UnmetProtection(host, port, policy.ToString())));
    }

    /// <summary>Rules count where the proxy would look for them: in the namespace of the service, in the root namespace, and for hosts outside.</summary>
    private static IEnumerable<UnmetProtection> OfRule(TranslationOptions options, DestinationRuleObject rule)
    {
        var suffix = $".svc.{options.ClusterDomain}";
        var host = DestinationRuleTranslation.WholeHost(rule, options);
        var counts = rule.Meta.Namespace == options.RootNamespace || !host.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)
            || host.EndsWith($".{rule.Meta.Namespace}{suffix}", StringComparison.OrdinalIgnoreCase);
        return counts ? rule.TlsPorts.Select(port => new UnmetProtection(host, port, rule.Meta.ToString())) : [];
    }
}
