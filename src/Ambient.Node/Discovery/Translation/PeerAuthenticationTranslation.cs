using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// PeerAuthentication as L4 policies. STRICT is "deny whoever has no identity"; one policy of the root namespace says
/// so, and every strict workload lists it. Modes of single ports become a policy of their own, which then carries the
/// strictness of the rest too, because any deny denies and an exception cannot be taken from the shared one.
/// </summary>
internal sealed class PeerAuthenticationTranslation
{
    private const string StaticStrict = "istio_converted_static_strict";
    private const string ConvertedPrefix = "converted_peer_authentication_";

    private static readonly ImmutableArray<StringMatch> Anyone = [new StringMatch(StringMatchKind.Presence, "")];
    private static readonly PolicyClause WithoutIdentity = new([new PolicyMatch { NotPrincipals = Anyone }]);

    private readonly string _rootNamespace;
    private readonly PeerAuthenticationObject? _root;
    private readonly Dictionary<string, PeerAuthenticationObject> _namespaces = new(StringComparer.Ordinal);
    private readonly ILookup<string, PeerAuthenticationObject> _selecting;

    public PeerAuthenticationTranslation(KubernetesObjects objects, string rootNamespace)
    {
        _rootNamespace = rootNamespace;

        // The oldest of a scope counts; objects come in order of their keys, which settles ties.
        var byAge = objects.PeerAuthentications.Values.OrderBy(pa => pa.Meta.CreationTime).ToList();
        foreach (var pa in byAge.Where(pa => pa.Selector is null))
        {
            _namespaces.TryAdd(pa.Meta.Namespace, pa);
        }

        _root = _namespaces.GetValueOrDefault(rootNamespace);
        _namespaces.Remove(rootNamespace);

        // The root namespace speaks for the mesh, not for pods: selectors have no meaning there.
        _selecting = byAge.Where(pa => pa.Selector is not null && pa.Meta.Namespace != rootNamespace)
            .ToLookup(pa => pa.Meta.Namespace, StringComparer.Ordinal);
        if (byAge.Count > 0)
        {
            Policies.Add(Deny(rootNamespace, StaticStrict, [new PolicyRule([WithoutIdentity])]));
        }

        foreach (var pa in objects.PeerAuthentications.Values)
        {
            if (Convert(pa) is { } converted)
            {
                Policies.Add(converted);
            }
        }
    }

    /// <summary>The policies that came out.</summary>
    public List<AuthorizationPolicy> Policies { get; } = [];

    /// <summary>Which of them a workload lists.</summary>
    public IEnumerable<string> Of(string ns, IReadOnlyDictionary<string, string> labels)
    {
        var inherited = IsStrictByInheritance(ns);
        var own = _selecting[ns].FirstOrDefault(pa => LabelSelection.Selects(pa.Selector!, labels));
        var strict = own?.Mode switch
        {
            null or MutualTlsMode.Unset => inherited,
            MutualTlsMode.Strict => true,
            _ => false,
        };
        if (own is not null && HasPortsAgainst(own, strict))
        {
            return [$"{ns}/{ConvertedPrefix}{own.Meta.Name}"];
        }

        return strict ? [$"{_rootNamespace}/{StaticStrict}"] : [];
    }

    /// <summary>Whether a port of <paramref name="pa"/> differs from the mode of the rest, so that its own policy is needed.</summary>
    private static bool HasPortsAgainst(PeerAuthenticationObject pa, bool strict)
    {
        if (!strict)
        {
            return pa.PortModes.ContainsValue(MutualTlsMode.Strict);
        }

        // Recorded: where the strictness is inherited, DISABLE on a port makes no exception, PERMISSIVE does.
        return pa.PortModes.ContainsValue(MutualTlsMode.Permissive)
            || (pa.Mode == MutualTlsMode.Strict && pa.PortModes.ContainsValue(MutualTlsMode.Disable));
    }

    private bool IsStrictByInheritance(string ns)
    {
        var mode = _namespaces.GetValueOrDefault(ns)?.Mode ?? MutualTlsMode.Unset;
        return mode == MutualTlsMode.Unset ? _root?.Mode == MutualTlsMode.Strict : mode == MutualTlsMode.Strict;
    }

    private AuthorizationPolicy? Convert(PeerAuthenticationObject pa)
    {
        if (pa.Selector is null || pa.PortModes.Count == 0 || pa.Meta.Namespace == _rootNamespace)
        {
            return null;
        }

        var inherited = IsStrictByInheritance(pa.Meta.Namespace);
        var strict = pa.Mode == MutualTlsMode.Strict || (pa.Mode == MutualTlsMode.Unset && inherited);
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        var rest = ImmutableArray.CreateBuilder<PolicyClause>();
        foreach (var (port, mode) in pa.PortModes)
        {
            if (mode == MutualTlsMode.Strict && !strict)
            {
                rules.Add(new PolicyRule([new PolicyClause([new PolicyMatch { NotPrincipals = Anyone, DestinationPorts = [port] }])]));
            }
            else if (mode is MutualTlsMode.Permissive or MutualTlsMode.Disable && strict)
            {
                rest.Add(new PolicyClause([new PolicyMatch { NotDestinationPorts = [port] }]));
            }
        }

        if (rest.Count > 0)
        {
            // Everyone without identity, except at these ports. The recorded order of the clauses is kept.
            if (pa.Mode == MutualTlsMode.Strict)
            {
                rest.Insert(0, WithoutIdentity);
            }

            if (inherited)
            {
                rest.Add(WithoutIdentity);
            }

            rules.Add(new PolicyRule(rest.ToImmutable()));
        }

        return rules.Count > 0 ? Deny(pa.Meta.Namespace, ConvertedPrefix + pa.Meta.Name, rules.ToImmutable()) : null;
    }

    private static AuthorizationPolicy Deny(string ns, string name, ImmutableArray<PolicyRule> rules) => new()
    {
        Name = name,
        Namespace = ns,
        Scope = PolicyScope.WorkloadSelector,
        Action = PolicyAction.Deny,
        Rules = rules,
    };
}
