using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>DestinationRules with whole host names, and the labels of workloads that they ask for.</summary>
internal static class DestinationRuleTranslation
{
    public static ImmutableDictionary<string, DestinationRule> Translate(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var rules = objects.DestinationRules.Values
            .Select(rule => memory.Keep("destination rule", rule.Meta.Key, [rule], () => rule.Rule with
            {
                Host = WholeHost(rule, options),
                ExportTo = rule.Rule.ExportTo.IsEmpty ? ExportTo.InFull(options.Exports.DestinationRules, rule.Meta) : rule.Rule.ExportTo,
            }))
            .ToArray();
        return memory.Keep("table", "destination rules", [.. rules], () => rules.ToImmutableDictionary(rule => rule.Key, StringComparer.Ordinal));
    }

    /// <summary>A short name is one of the rule's own namespace.</summary>
    internal static string WholeHost(DestinationRuleObject rule, TranslationOptions options) =>
        rule.Host.Contains('.', StringComparison.Ordinal) || rule.Host.Contains('*', StringComparison.Ordinal)
            ? rule.Host
            : $"{rule.Host}.{rule.Meta.Namespace}.svc.{options.ClusterDomain}";

    /// <summary>Of the labels of pods and WorkloadEntries those that a rule asks for. Equal sets are one instance: there are few, however many pods.</summary>
    public static ImmutableDictionary<string, ImmutableDictionary<string, string>> Labels(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var asked = objects.DestinationRules.Values.SelectMany(rule => NamesOf(rule.Rule))
            .Concat((options.LocalityDefaults?.FailoverPriority ?? []).Select(label => label.Split('=')[0])).Distinct().Order(StringComparer.Ordinal).ToArray();
        if (asked.Length == 0)
        {
            return ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;
        }

        var found = new List<KeyValuePair<string, ImmutableDictionary<string, string>>>();
        var sets = new Dictionary<string, ImmutableDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var pod in objects.Pods.Values)
        {
            Add($"{options.ClusterId}//Pod/{pod.Meta.Namespace}/{pod.Meta.Name}", pod.Meta.Labels);
        }

        foreach (var entry in objects.WorkloadEntries.Values)
        {
            Add($"{options.ClusterId}/networking.istio.io/WorkloadEntry/{entry.Meta.Namespace}/{entry.Meta.Name}", entry.Meta.Labels);
        }

        foreach (var entry in objects.ServiceEntries.Values)
        {
            foreach (var endpoint in entry.Endpoints)
            {
                Add($"{options.ClusterId}/networking.istio.io/ServiceEntry/{entry.Meta.Namespace}/{entry.Meta.Name}/{endpoint.Address}", endpoint.Meta.Labels);
            }
        }

        return memory.Keep("table", "labels of workloads", [.. found.SelectMany(entry => new object[] { entry.Key, entry.Value })], () =>
        {
            // An address may be named twice; the first counts, as for the workload itself.
            var table = ImmutableDictionary.CreateBuilder<string, ImmutableDictionary<string, string>>(StringComparer.Ordinal);
            foreach (var (uid, labels) in found)
            {
                table.TryAdd(uid, labels);
            }

            return table.ToImmutable();
        });

        void Add(string uid, Dictionary<string, string> labels)
        {
            var own = asked.Where(labels.ContainsKey).Select(name => KeyValuePair.Create(name, labels[name])).ToArray();
            if (own.Length > 0)
            {
                var text = string.Join('\n', own.Select(label => $"{label.Key}={label.Value}"));
                if (!sets.TryGetValue(text, out var set))
                {
                    // Also the one of the translation before, so that nothing changes where nothing did.
                    sets.Add(text, set = memory.Keep("labels", text, [], () => own.ToImmutableDictionary(StringComparer.Ordinal)));
                }

                found.Add(KeyValuePair.Create(uid, set));
            }
        }
    }

    private static IEnumerable<string> NamesOf(DestinationRule rule) =>
    [
        .. rule.WorkloadSelector.Keys,
        .. rule.Subsets.SelectMany(subset => subset.Labels.Keys.Concat(NamesOf(subset.Policy))),
        .. NamesOf(rule.Policy),
    ];

    private static IEnumerable<string> NamesOf(TrafficPolicy? policy) => policy is null
        ? []
        : new[] { policy }.Concat(policy.Ports.Select(port => port.Policy))
            .SelectMany(one => one.Balancer?.Locality?.FailoverPriority ?? [])
            .Select(label => label.Split('=')[0]);

    /// <summary>Services whose labels keep a client with one endpoint.</summary>
    public static ImmutableDictionary<string, SessionPersistence> Sessions(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var sessions = objects.Services.Values
            .Where(service => SessionOf(service.Meta) is not null)
            .Select(service => KeyValuePair.Create(
                $"{service.Meta.Namespace}/{service.Meta.Name}.{service.Meta.Namespace}.svc.{options.ClusterDomain}",
                memory.Keep("session", service.Meta.Key, [service], () => SessionOf(service.Meta)!)))
            .ToArray();
        return memory.Keep(
            "table", "sessions", [.. sessions.SelectMany(entry => new object[] { entry.Key, entry.Value })], () => ImmutableDictionary.CreateRange(StringComparer.Ordinal, sessions));
    }

    /// <summary><c>istio.io/persistent-session: cookie[:path]</c>, or <c>istio.io/persistent-session-header: header</c>.</summary>
    private static SessionPersistence? SessionOf(ObjectMeta meta)
    {
        if (meta.Label(WellKnown.PersistentSession) is { Length: > 0 } cookie)
        {
            var colon = cookie.IndexOf(':', StringComparison.Ordinal);
            return colon < 0 ? new SessionPersistence(true, cookie) : new SessionPersistence(true, cookie[..colon]) { Path = cookie[(colon + 1)..] };
        }

        return meta.Label(WellKnown.PersistentSessionHeader) is { Length: > 0 } header ? new SessionPersistence(false, header.ToLowerInvariant()) : null;
    }
}
