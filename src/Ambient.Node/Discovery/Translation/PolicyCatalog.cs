using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Which L4 policies there are, and which of them a workload lists (reference/waypoint.md 1.5).</summary>
internal sealed class PolicyCatalog
{
    private readonly List<AuthorizationPolicy> _policies = [];
    private readonly ILookup<string, (Dictionary<string, string> Selector, string Key)> _selecting;
    private readonly PeerAuthenticationTranslation _peerAuthentications;
    private readonly string _rootNamespace;

    public PolicyCatalog(KubernetesObjects objects, TranslationOptions options)
    {
        _rootNamespace = options.RootNamespace;
        _peerAuthentications = new PeerAuthenticationTranslation(objects, _rootNamespace);
        var selecting = new List<(string Namespace, Dictionary<string, string> Selector, string Key)>();
        foreach (var policy in objects.AuthorizationPolicies.Values)
        {
            if (AuthorizationPolicyTranslation.Translate(policy.Policy, _rootNamespace) is not { } translated)
            {
                continue;
            }

            _policies.Add(translated);
            if (policy.Policy.Selector is { } selector)
            {
                selecting.Add((translated.Namespace, new Dictionary<string, string>(selector, StringComparer.Ordinal), translated.Key));
            }
        }

        _policies.AddRange(_peerAuthentications.Policies);
        _selecting = selecting.ToLookup(policy => policy.Namespace, policy => (policy.Selector, policy.Key), StringComparer.Ordinal);
    }

    /// <summary>Every L4 policy.</summary>
    public IReadOnlyList<AuthorizationPolicy> Policies => _policies;

    /// <summary>Keys of the selector-scoped policies of a workload: written ones in order, then what peer authentication became.</summary>
    public IEnumerable<string> Of(string ns, IReadOnlyDictionary<string, string> labels)
    {
        var candidates = ns == _rootNamespace ? _selecting[ns] : _selecting[ns].Concat(_selecting[_rootNamespace]);

        // Recorded: a workload without any label lists every selecting policy in reach, as nothing rules it out.
        return candidates
            .Where(policy => labels.Count == 0 || LabelSelection.Selects(policy.Selector, labels))
            .Select(policy => policy.Key)
            .Order(StringComparer.Ordinal)
            .Concat(_peerAuthentications.Of(ns, labels));
    }
}
