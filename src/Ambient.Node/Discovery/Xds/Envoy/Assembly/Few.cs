namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>None, one or several: nearly every address of a mesh has one of a kind, and a list for each would cost more than what is in it.</summary>
/// <typeparam name="T">Of what.</typeparam>
internal readonly struct Few<T>
    where T : class
{
    private readonly object? _items;

    private Few(object? items) => _items = items;

    /// <summary>How many.</summary>
    public int Count => _items switch { null => 0, T[] all => all.Length, _ => 1 };

    /// <summary>One of them, in the order in which they were added.</summary>
    public T this[int index] => _items is T[] all ? all[index] : index == 0 && _items is T only ? only : throw new ArgumentOutOfRangeException(nameof(index));

    /// <summary>All of them.</summary>
    public IEnumerable<T> All => _items switch { null => [], T[] all => all, _ => [(T)_items] };

    /// <summary>These, and another one.</summary>
    public Few<T> With(T item) => _items switch
    {
        null => new Few<T>(item),
        T[] all => new Few<T>((T[])[.. all, item]),
        _ => new Few<T>((T[])[(T)_items, item]),
    };

    /// <summary>Those for which a condition does not hold.</summary>
    public Few<T> Without(Predicate<T> condition)
    {
        if (_items is not T[] all)
        {
            return _items is T only && condition(only) ? default : this;
        }

        var left = Array.FindAll(all, item => !condition(item));
        return new Few<T>(left.Length switch { 0 => null, 1 => left[0], _ => left });
    }
}
