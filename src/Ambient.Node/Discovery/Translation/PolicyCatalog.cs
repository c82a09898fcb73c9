using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Which L4 policies there are, and which of them a workload lists.</summary>
internal sealed class PolicyCatalog
{
    private readonly List<AuthorizationPolicy> _policies = [];
    private readonly ILookup<string, SelectingPolicy> _selecting;
    private readonly PeerAuthenticationTranslation _peerAuthentications;
    private readonly string _rootNamespace;

    public PolicyCatalog(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        _rootNamespace = options.RootNamespace;
        _peerAuthentications = memory.Keep(
            "peer authentication", "", [.. objects.PeerAuthentications.Values], () => new PeerAuthenticationTranslation(objects, _rootNamespace));
        var selecting = new List<SelectingPolicy>();
        foreach (var policy in objects.AuthorizationPolicies.Values)
        {
            var translated = memory.Keep(
                "policy", policy.Meta.Key, [policy], () => AuthorizationPolicyTranslation.Translate(policy.Policy, _rootNamespace));
            if (translated is null)
            {
                continue;
            }

            _policies.Add(translated);
            if (policy.Policy.Selector is { } selector)
            {
                selecting.Add(memory.Keep(
                    "selector of a policy",
                    policy.Meta.Key,
                    [policy],
                    () => new SelectingPolicy(translated.Namespace, new Dictionary<string, string>(selector, StringComparer.Ordinal), translated.Key)));
            }
        }

        _policies.AddRange(_peerAuthentications.Policies);
        _selecting = selecting.ToLookup(policy => policy.Namespace, StringComparer.Ordinal);
    }

    /// <summary>Every L4 policy.</summary>
    public IReadOnlyList<AuthorizationPolicy> Policies => _policies;

    /// <summary>Everything that decides which policies the workloads of a namespace list.</summary>
    public IEnumerable<object> Selecting(string ns) => [_peerAuthentications, .. InReach(ns)];

    /// <summary>Keys of the selector-scoped policies of a workload: written ones in order, then what peer authentication became.</summary>
    public IEnumerable<string> Of(string ns, IReadOnlyDictionary<string, string> labels)
    {
        // Recorded: a workload without any label lists every selecting policy in reach, as nothing rules it out.
        return InReach(ns)
            .Where(policy => labels.Count == 0 || LabelSelection.Selects(policy.Selector, labels))
            .Select(policy => policy.Key)
            .Order(StringComparer.Ordinal)
            .Concat(_peerAuthentications.Of(ns, labels));
    }

    private IEnumerable<SelectingPolicy> InReach(string ns) => ns == _rootNamespace ? _selecting[ns] : _selecting[ns].Concat(_selecting[_rootNamespace]);

    /// <summary>A policy that selects pods; equal to another while it selects the same ones.</summary>
    private sealed record SelectingPolicy(string Namespace, Dictionary<string, string> Selector, string Key)
    {
        public bool Equals(SelectingPolicy? other) =>
            other is not null && Namespace == other.Namespace && Key == other.Key && Selector.Count == other.Selector.Count
            && LabelSelection.Selects(Selector, other.Selector);

        public override int GetHashCode() => HashCode.Combine(Namespace, Key, Selector.Count);
    }
}
