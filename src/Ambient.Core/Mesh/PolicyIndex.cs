using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// The policies that apply without being referenced: global ones, and those of a namespace. The two are joined per
/// namespace here, once a change, so that a decision walks one array.
/// </summary>
internal sealed class PolicyIndex
{
    // Not a legal namespace name.
    private const string GlobalGroup = "*";

    private readonly GroupIndex<AuthorizationPolicy> _groups;
    private readonly SharedMap<string, ImmutableArray<AuthorizationPolicy>> _joined;

    private PolicyIndex(GroupIndex<AuthorizationPolicy> groups, SharedMap<string, ImmutableArray<AuthorizationPolicy>> joined)
    {
        _groups = groups;
        _joined = joined;
    }

    internal static PolicyIndex Empty { get; } = new(
        GroupIndex<AuthorizationPolicy>.Create(policy => policy.Key),
        SharedMap<string, ImmutableArray<AuthorizationPolicy>>.Empty);

    internal ImmutableArray<AuthorizationPolicy> For(string ns) =>
        _joined.TryGetValue(ns, out var policies) ? policies : _groups.Get(GlobalGroup);

    internal Builder ToBuilder() => new(this);

    internal sealed class Builder(PolicyIndex start)
    {
        private readonly GroupIndex<AuthorizationPolicy>.Builder _groups = start._groups.ToBuilder();
        private readonly HashSet<string> _touched = [];
        private PolicyIndex _current = start;

        internal void Replace(AuthorizationPolicy? old, AuthorizationPolicy? now)
        {
            if (GroupOf(old) is { } oldGroup && oldGroup != GroupOf(now))
            {
                _groups.Remove(oldGroup, old!.Key);
                _touched.Add(oldGroup);
            }

            if (GroupOf(now) is { } group)
            {
                _groups.Set(group, now!);
                _touched.Add(group);
            }
        }

        internal PolicyIndex ToImmutable()
        {
            if (_touched.Count == 0)
            {
                return _current;
            }

            var groups = _groups.ToImmutable();
            var global = groups.Get(GlobalGroup);
            var joined = _current._joined.ToBuilder();
            foreach (var ns in _touched.Contains(GlobalGroup) ? _current._joined.Keys.Union(groups.Groups).Union(_touched) : _touched)
            {
                if (ns == GlobalGroup)
                {
                    continue;
                }

                if (groups.Get(ns) is { IsEmpty: false } own)
                {
                    joined[ns] = [.. global, .. own];
                }
                else
                {
                    joined.Remove(ns);
                }
            }

            _touched.Clear();
            return _current = new PolicyIndex(groups, joined.ToImmutable());
        }

        private static string? GroupOf(AuthorizationPolicy? policy) => policy?.Scope switch
        {
            PolicyScope.Global => GlobalGroup,
            PolicyScope.Namespace => policy.Namespace,
            _ => null,
        };
    }
}
