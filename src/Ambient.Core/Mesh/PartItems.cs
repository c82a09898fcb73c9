namespace Ambient.Mesh;

/// <summary>Objects of one kind by key; changes can be undone until they are committed.</summary>
internal sealed class PartItems<T>
    where T : class
{
    private readonly Dictionary<string, T> _held;
    private readonly List<(string Key, T? Before)> _undo = [];

    internal PartItems(SharedMap<string, T> held)
    {
        // Not by the constructor that takes pairs: lists and arrays of pairs of every dictionary of the process come with it.
        _held = new Dictionary<string, T>(held.Count);
        foreach (var (key, item) in held)
        {
            _held.Add(key, item);
        }
    }

    internal IEnumerable<string> Keys => _held.Keys;

    internal T? Find(string key) => _held.GetValueOrDefault(key);

    /// <summary>Sets an object, or removes it when null; false when it was the same before.</summary>
    internal bool Set(string key, T? item)
    {
        var before = _held.GetValueOrDefault(key);
        if (Equals(before, item))
        {
            return false;
        }

        _undo.Add((key, before));
        Put(key, item);
        return true;
    }

    internal void Commit()
    {
        _undo.Clear();
        _undo.TrimExcess();
    }

    internal void Rollback()
    {
        for (var i = _undo.Count - 1; i >= 0; i--)
        {
            Put(_undo[i].Key, _undo[i].Before);
        }

        Commit();
    }

    private void Put(string key, T? item)
    {
        if (item is null)
        {
            _held.Remove(key);
        }
        else
        {
            _held[key] = item;
        }
    }
}
