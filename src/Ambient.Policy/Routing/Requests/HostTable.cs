using Ambient.Policy.Indexing;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Rules of one listener by host name: a request belongs to the most specific that fits. Immutable; what changes of some hosts leaves the others the same
/// instances.
/// </summary>
internal sealed class HostTable
{
    internal static readonly HostTable Empty = new(SharedTable<string, Host>.Create(StringComparer.OrdinalIgnoreCase), anyWildcards: false);

    private const string Any = "*";

    // The longest name of DNS (RFC 1035 section 2.3.4); a longer one fits wildcards as well.
    private const int MostOnStack = 256;

    private readonly SharedTable<string, Host> _hosts;
    private readonly bool _anyWildcards;

    private HostTable(SharedTable<string, Host> hosts, bool anyWildcards) => (_hosts, _anyWildcards) = (hosts, anyWildcards);

    /// <summary>A table of host names, each named once, that is not changed bit by bit.</summary>
    internal static HostTable Of(IEnumerable<KeyValuePair<string, RuleIndex>> hosts)
    {
        var all = hosts.Select(host => KeyValuePair.Create(host.Key, (Host?)new Host(host.Value, 1))).ToArray();
        return new HostTable(Empty._hosts.With(all), all.Any(host => IsWildcard(host.Key)));
    }

    /// <summary>The rules for a host, which has no port; null: there are none.</summary>
    internal RuleIndex? Find(ReadOnlySpan<char> host)
    {
        if (FindExactly(host) is { } exact)
        {
            return exact;
        }

        if (_anyWildcards)
        {
            // The most labels first; an asterisk takes the place of what is before them.
            var pattern = host.Length < MostOnStack ? stackalloc char[host.Length] : new char[host.Length];
            host.CopyTo(pattern);
            for (var dot = NextDot(host, 1); dot > 0; dot = NextDot(host, dot + 1))
            {
                pattern[dot - 1] = '*';
                if (FindExactly(pattern[(dot - 1)..]) is { } found)
                {
                    return found;
                }
            }
        }

        return FindExactly(Any);
    }

    private static bool IsWildcard(string pattern) => pattern.StartsWith("*.", StringComparison.Ordinal);

    private static int NextDot(ReadOnlySpan<char> host, int from) => from < host.Length && host[from..].IndexOf('.') is >= 0 and var dot ? from + dot : -1;

    private RuleIndex? FindExactly(ReadOnlySpan<char> pattern)
    {
        var hashCode = string.GetHashCode(pattern, StringComparison.OrdinalIgnoreCase);
        foreach (ref readonly var entry in _hosts.Near(hashCode))
        {
            if (entry.HashCode == hashCode && pattern.Equals(entry.Key, StringComparison.OrdinalIgnoreCase))
            {
                return entry.Value.Rules;
            }
        }

        return null;
    }

    /// <summary>The rules of a host name, and of how many routes they are: one of a route without rules is answered with nothing, and by no wider one.</summary>
    private sealed record Host(RuleIndex Rules, int Routes);

    /// <summary>Makes the next table.</summary>
    internal sealed class Editor(HostTable start)
    {
        private readonly Dictionary<string, (List<CompiledRoute> Removed, List<CompiledRoute> Added)> _changed = new(StringComparer.OrdinalIgnoreCase);

        internal void Remove(string pattern, CompiledRoute route) => Of(pattern).Removed.Add(route);

        internal void Add(string pattern, CompiledRoute route) => Of(pattern).Added.Add(route);

        internal HostTable ToTable()
        {
            if (_changed.Count == 0)
            {
                return start;
            }

            var changes = new List<KeyValuePair<string, Host?>>(_changed.Count);
            foreach (var (pattern, (removed, added)) in _changed)
            {
                var host = start._hosts.Find(pattern) ?? new Host(RuleIndex.Empty, 0);
                var routes = host.Routes - removed.Count + added.Count;
                var rules = host.Routes == 0
                    ? RuleIndex.Sorted(added.SelectMany(route => route.Rules))
                    : host.Rules.With([.. removed.SelectMany(route => route.Rules)], [.. added.SelectMany(route => route.Rules)]);
                changes.Add(KeyValuePair.Create(pattern, routes == 0 ? null : new Host(rules, routes)));
            }

            return new HostTable(start._hosts.With(changes), start._anyWildcards || _changed.Keys.Any(IsWildcard));
        }

        private (List<CompiledRoute> Removed, List<CompiledRoute> Added) Of(string pattern)
        {
            if (!_changed.TryGetValue(pattern, out var change))
            {
                _changed.Add(pattern, change = ([], []));
            }

            return change;
        }
    }
}
