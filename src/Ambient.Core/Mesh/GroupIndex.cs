using System.Collections.Immutable;
using System.Runtime.InteropServices;

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
        // All changes in one array, each with the place of the one before it in its group: a list for each of thousands of groups would be
        // as much garbage as the index is.
        private readonly Dictionary<string, Tail> _groups = new(StringComparer.Ordinal);
        private Change[] _changes = [];
        private int _count;
        private GroupIndex<T> _current = start;

        /// <summary>The groups that change with the next index.</summary>
        internal IReadOnlyCollection<string> Touched => _groups.Keys;

        internal void Set(string group, T item) => Note(group, _current._id(item), item);

        internal void Remove(string group, string id) => Note(group, id, null);

        /// <summary>Makes room for a number of changes.</summary>
        internal void EnsureCapacity(int changes)
        {
            if (_changes.Length < changes)
            {
                Array.Resize(ref _changes, changes);
            }
        }

        internal GroupIndex<T> ToImmutable()
        {
            if (_groups.Count == 0)
            {
                return _current;
            }

            var groups = _current._groups.ToBuilder();
            groups.EnsureCapacity(_groups.Count);
            var scratch = new Change[Longest()];
            foreach (var (group, tail) in _groups)
            {
                var merged = Merge(_current.Get(group), Sorted(tail, scratch), _current._id);
                if (merged.IsEmpty)
                {
                    groups.Remove(group);
                }
                else
                {
                    groups[group] = merged;
                }
            }

            _groups.Clear();
            (_changes, _count) = ([], 0);
            return _current = new GroupIndex<T>(groups.ToImmutable(), _current._id);
        }

        private void Note(string group, string id, T? item)
        {
            if (_count == _changes.Length)
            {
                Array.Resize(ref _changes, Math.Max(4, _count * 2));
            }

            ref var tail = ref CollectionsMarshal.GetValueRefOrAddDefault(_groups, group, out var isKnown);
            _changes[_count] = new Change(id, item, _count, isKnown ? tail.Last : -1);
            tail = new Tail(_count++, tail.Length + 1);
        }

        private int Longest()
        {
            var longest = 0;
            foreach (var tail in _groups.Values)
            {
                longest = Math.Max(longest, tail.Length);
            }

            return longest;
        }

        /// <summary>The changes of a group in the order of their ids; of several with one id the last.</summary>
        private ReadOnlySpan<Change> Sorted(Tail tail, Change[] scratch)
        {
            var changes = scratch.AsSpan(0, tail.Length);
            var at = tail.Last;
            for (var i = changes.Length - 1; i >= 0; i--)
            {
                changes[i] = _changes[at];
                at = changes[i].Before;
            }

            changes.Sort(static (left, right) =>
                string.CompareOrdinal(left.Id, right.Id) is var order && order != 0 ? order : left.Place.CompareTo(right.Place));
            var kept = 0;
            for (var i = 0; i < changes.Length; i++)
            {
                if (kept > 0 && changes[kept - 1].Id == changes[i].Id)
                {
                    kept--;
                }

                changes[kept++] = changes[i];
            }

            return changes[..kept];
        }

        private static ImmutableArray<T> Merge(ImmutableArray<T> old, ReadOnlySpan<Change> changes, Func<T, string> id)
        {
            // Most changes are of one item or two that stay.
            if (changes.Length <= old.Length / 4 && Replaced(old, changes, id) is { } replaced)
            {
                return ImmutableCollectionsMarshal.AsImmutableArray(replaced);
            }

            var merged = ImmutableArray.CreateBuilder<T>(old.Length + changes.Length);
            var next = 0;
            foreach (var item in old)
            {
                var order = -1;
                while (next < changes.Length && (order = string.CompareOrdinal(changes[next].Id, id(item))) < 0)
                {
                    AddChanged(merged, changes[next++]);
                }

                if (next < changes.Length && order == 0)
                {
                    AddChanged(merged, changes[next++]);
                }
                else
                {
                    merged.Add(item);
                }
            }

            while (next < changes.Length)
            {
                AddChanged(merged, changes[next++]);
            }

            return merged.DrainToImmutable();
        }

        /// <summary>The items with others in the places of some; null when one is removed, or was not there.</summary>
        private static T[]? Replaced(ImmutableArray<T> old, ReadOnlySpan<Change> changes, Func<T, string> id)
        {
            T[]? items = null;
            foreach (var change in changes)
            {
                if (change.Item is null || Find(old, change.Id, id) is not { } at)
                {
                    return null;
                }

                items ??= [.. old];
                items[at] = change.Item;
            }

            return items;
        }

        private static int? Find(ImmutableArray<T> items, string wanted, Func<T, string> id)
        {
            var (from, to) = (0, items.Length);
            while (from < to)
            {
                var middle = (from + to) / 2;
                switch (string.CompareOrdinal(id(items[middle]), wanted))
                {
                    case 0:
                        return middle;
                    case < 0:
                        from = middle + 1;
                        break;
                    default:
                        to = middle;
                        break;
                }
            }

            return null;
        }

        private static void AddChanged(ImmutableArray<T>.Builder merged, in Change change)
        {
            if (change.Item is { } item)
            {
                merged.Add(item);
            }
        }

        /// <summary>What a batch does to a group; no item: it is removed.</summary>
        /// <param name="Id">Id of the item.</param>
        /// <param name="Item">The item.</param>
        /// <param name="Place">Its place among all changes, which is their order in time.</param>
        /// <param name="Before">Place of the one before it in its group; -1: it is the first.</param>
        private readonly record struct Change(string Id, T? Item, int Place, int Before);

        /// <summary>The changes of a group: place of the last, and how many there are.</summary>
        private readonly record struct Tail(int Last, int Length);
    }
}
