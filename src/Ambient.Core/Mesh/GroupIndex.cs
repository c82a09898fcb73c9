using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// Items in groups (endpoints by service, workloads by node, policies by namespace), each group an array sorted by item
/// id, so that the index depends on what is in it and not on how it came about. Readers get arrays; a batch of changes
/// copies each touched group once.
/// </summary>
internal sealed class GroupIndex<T>
    where T : class
{
    private readonly ImmutableDictionary<string, ImmutableArray<T>> _groups;
    private readonly Func<T, string> _id;

    private GroupIndex(ImmutableDictionary<string, ImmutableArray<T>> groups, Func<T, string> id)
    {
        _groups = groups;
        _id = id;
    }

    internal IEnumerable<string> Groups => _groups.Keys;

    internal static GroupIndex<T> Create(Func<T, string> id) => new(ImmutableDictionary<string, ImmutableArray<T>>.Empty, id);

    internal ImmutableArray<T> Get(string group) => _groups.TryGetValue(group, out var items) ? items : [];

    internal Builder ToBuilder() => new(this);

    internal sealed class Builder(GroupIndex<T> start)
    {
        private readonly Dictionary<string, Dictionary<string, T?>> _changes = [];
        private GroupIndex<T> _current = start;

        internal void Set(string group, T item) => ChangesOf(group)[_current._id(item)] = item;

        internal void Remove(string group, string id) => ChangesOf(group)[id] = null;

        internal GroupIndex<T> ToImmutable()
        {
            if (_changes.Count == 0)
            {
                return _current;
            }

            var groups = _current._groups.ToBuilder();
            foreach (var (group, changes) in _changes)
            {
                var merged = Merge(_current.Get(group), changes, _current._id);
                if (merged.IsEmpty)
                {
                    groups.Remove(group);
                }
                else
                {
                    groups[group] = merged;
                }
            }

            _changes.Clear();
            return _current = new GroupIndex<T>(groups.ToImmutable(), _current._id);
        }

        private Dictionary<string, T?> ChangesOf(string group)
        {
            if (!_changes.TryGetValue(group, out var changes))
            {
                _changes[group] = changes = new Dictionary<string, T?>(StringComparer.Ordinal);
            }

            return changes;
        }

        private static ImmutableArray<T> Merge(ImmutableArray<T> old, Dictionary<string, T?> changes, Func<T, string> id)
        {
            var ids = new string[changes.Count];
            changes.Keys.CopyTo(ids, 0);
            Array.Sort(ids, StringComparer.Ordinal);
            var merged = ImmutableArray.CreateBuilder<T>(old.Length + ids.Length);
            var next = 0;
            foreach (var item in old)
            {
                var order = -1;
                while (next < ids.Length && (order = string.CompareOrdinal(ids[next], id(item))) < 0)
                {
                    AddChanged(ids[next++]);
                }

                if (next < ids.Length && order == 0)
                {
                    AddChanged(ids[next++]);
                }
                else
                {
                    merged.Add(item);
                }
            }

            while (next < ids.Length)
            {
                AddChanged(ids[next++]);
            }

            return merged.DrainToImmutable();

            void AddChanged(string changed)
            {
                if (changes[changed] is { } item)
                {
                    merged.Add(item);
                }
            }
        }
    }
}
