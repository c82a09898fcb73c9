using System.Diagnostics.CodeAnalysis;

namespace Ambient.Node.Discovery.Objects;

/// <summary>The objects of one kind, in order of their keys.</summary>
internal sealed class ObjectTable<T>
    where T : KubernetesObject
{
    // One type of tree for all kinds: each that .NET lays out for a kind of its own costs every process 8 KB, whether it reads manifests or not.
    private readonly SortedDictionary<string, KubernetesObject> _all = new(StringComparer.Ordinal);

    /// <summary>The keys, in order.</summary>
    public IEnumerable<string> Keys => _all.Keys;

    /// <summary>The objects, in order of their keys.</summary>
    public IEnumerable<T> Values
    {
        get
        {
            foreach (var value in _all.Values)
            {
                yield return (T)value;
            }
        }
    }

    /// <summary>The object of a key; setting replaces what was there.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public T this[string key]
    {
        get => (T)_all[key];
        set => _all[key] = value;
    }

    /// <summary>Finds an object.</summary>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value)
    {
        value = GetValueOrDefault(key);
        return value is not null;
    }

    /// <summary>The object of a key; null: there is none.</summary>
    public T? GetValueOrDefault(string key) => _all.TryGetValue(key, out var value) ? (T)value : null;

    /// <summary>Adds an object; false: there is one of that key, which stays.</summary>
    public bool TryAdd(string key, T value) => _all.TryAdd(key, value);

    /// <summary>Whether there is an object of that key.</summary>
    public bool ContainsKey(string key) => _all.ContainsKey(key);
}
