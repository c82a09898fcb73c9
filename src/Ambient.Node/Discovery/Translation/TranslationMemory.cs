namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// What the translation before made, and from what. Whatever is asked for again with the same inputs is not made again, and what is made
/// anew and comes out equal stays the instance that it was. Not thread-safe.
/// </summary>
internal sealed class TranslationMemory
{
    private readonly Dictionary<string, int> _made = new(StringComparer.Ordinal);
    private Dictionary<(string What, string Key), Entry> _before = [];
    private Dictionary<(string What, string Key), Entry> _now = [];

    /// <summary>How many of each were made, rather than kept, since <see cref="Begin"/>.</summary>
    public IReadOnlyDictionary<string, int> Made => _made;

    /// <summary>Begins a translation.</summary>
    public void Begin()
    {
        _now = new(_before.Count);
        _made.Clear();
    }

    /// <summary>Ends a translation that succeeded: what it did not ask for is forgotten.</summary>
    public void End()
    {
        _before = _now;
        _now = [];
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _before = [];
        _now = [];
    }

    /// <summary>What <paramref name="make"/> makes, or what it made before from the same inputs.</summary>
    /// <param name="what">What it is, for counting; the same key may be used for several things.</param>
    /// <param name="key">Which one of them.</param>
    /// <param name="inputs">
    /// Everything that the outcome follows from, but for what never changes during the life of the memory. Compared in order, by
    /// <see cref="object.Equals(object?)"/>; of collections the items belong here.
    /// </param>
    /// <param name="make">Makes it.</param>
    public T Keep<T>(string what, string key, object?[] inputs, Func<T> make)
    {
        var place = (what, key);
        var earlier = _before.GetValueOrDefault(place);
        if (earlier is not null && Same(earlier.Inputs, inputs))
        {
            _now[place] = earlier;
            return (T)earlier.Value!;
        }

        object? made = make();
        _made[what] = _made.GetValueOrDefault(what) + 1;
        if (earlier is not null && Equals(earlier.Value, made))
        {
            made = earlier.Value;
        }

        _now[place] = new Entry(inputs, made);
        return (T)made!;
    }

    private static bool Same(object?[] left, object?[] right)
    {
        if (left.Length != right.Length)
        {
            return false;
        }

        for (var i = 0; i < left.Length; i++)
        {
            if (!ReferenceEquals(left[i], right[i]) && !Equals(left[i], right[i]))
            {
                return false;
            }
        }

        return true;
    }

    private sealed record Entry(object?[] Inputs, object? Value);
}
