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
    private readonly SharedMap<string, ImmutableArray<T>> _groups;
    private readonly Func<T, string> _id;

    private GroupIndex(SharedMap<string, ImmutableArray<T>> groups, Func<T, string> id)
    {
        _groups = groups;
        _id = id;
    }

    internal IEnumerable<string> Groups => _groups.Keys;

    internal static GroupIndex<T> Create(Func<T, string> id) => new(SharedMap<string, ImmutableArray<T>>.Empty, id);

    internal ImmutableArray<T> Get(string group) => _groups.TryGetValue(group, out var items) ? items : [];

    internal Builder ToBuilder() => new(this);

    internal sealed class Builder(GroupIndex<T> start)
    {
        private readonly Dictionary<string, List<Change>> _changes = new(StringComparer.Ordinal);
        private GroupIndex<T> _current = start;

        /// <summary>The groups that change with the next index.</summary>
        internal IReadOnlyCollection<string> Touched => _changes.Keys;

        internal void Set(string group, T item) => Note(group, new Change(_current._id(item), item));

        internal void Remove(string group, string id) => Note(group, new Change(id, null));

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

        private void Note(string group, Change change)
        {
            if (!_changes.TryGetValue(group, out var changes))
            {
                _changes[group] = changes = [];
            }

            changes.Add(change);
        }

        /// <summary>The changes in the order of their ids; of several with one id the last.</summary>
        private static List<Change> Last(List<Change> changes)
        {
            if (changes.Count == 1)
            {
                return changes;
            }

            var ids = new string[changes.Count];
            var places = new int[ids.Length];
            for (var i = 0; i < places.Length; i++)
            {
                (ids[i], places[i]) = (changes[i].Id, i);
            }

            // The sort is not a stable one; the place tells which of two came last.
            Array.Sort(ids, places, StringComparer.Ordinal);
            var last = new List<Change>(places.Length);
            var at = 0;
            for (var i = 0; i < places.Length; i++)
            {
                if (i > 0 && ids[i] == ids[i - 1])
                {
                    at = Math.Max(at, places[i]);
                    last[^1] = changes[at];
                }
                else
                {
                    at = places[i];
                    last.Add(changes[at]);
                }
            }

            return last;
        }

        private static ImmutableArray<T> Merge(ImmutableArray<T> old, List<Change> all, Func<T, string> id)
        {
            var changes = Last(all);
            var merged = ImmutableArray.CreateBuilder<T>(old.Length + changes.Count);
            var next = 0;
            foreach (var item in old)
            {
                var order = -1;
                while (next < changes.Count && (order = string.CompareOrdinal(changes[next].Id, id(item))) < 0)
                {
                    AddChanged(changes[next++]);
                }

                if (next < changes.Count && order == 0)
                {
                    AddChanged(changes[next++]);
                }
                else
                {
                    merged.Add(item);
                }
            }

            while (next < changes.Count)
            {
                AddChanged(changes[next++]);
            }

            return merged.DrainToImmutable();

            void AddChanged(Change change)
            {
                if (change.Item is { } item)
                {
                    merged.Add(item);
                }
            }
        }

        /// <summary>What a batch does to a group; no item: it is removed.</summary>
        private readonly record struct Change(string Id, T? Item);
    }
}
