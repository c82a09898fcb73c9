namespace Ambient.Node;

/// <summary>
/// Three of LINQ's operators, which code of this namespace finds before those of System.Linq. LINQ's Take and Skip bring two further iterators for every
/// type that anything is selected from or filtered by, and its OfType the old enumerators of every collection; all of them are laid out in the
/// memory of every process, a fifth of a megabyte each (docs/performance.md, "The program itself"). BannedSymbols.txt keeps LINQ's own out.
/// </summary>
internal static class Sequences
{
    /// <summary>All but null.</summary>
    /// <param name="source">What may be null. No other types: a sequence of objects could be any, and every enumerator there is comes with it.</param>
    public static IEnumerable<T> OfType<T>(this IEnumerable<T?> source)
        where T : class
    {
        foreach (var item in source)
        {
            if (item is not null)
            {
                yield return item;
            }
        }
    }

    /// <summary>The first of them, in order.</summary>
    /// <param name="source">Any number of items.</param>
    /// <param name="count">How many at most.</param>
    public static IEnumerable<T> Take<T>(this IEnumerable<T> source, int count)
    {
        if (count <= 0)
        {
            yield break;
        }

        foreach (var item in source)
        {
            yield return item;
            if (--count == 0)
            {
                yield break;
            }
        }
    }

    /// <summary>All but the first of them.</summary>
    /// <param name="source">Any number of items.</param>
    /// <param name="count">How many are left out.</param>
    public static IEnumerable<T> Skip<T>(this IEnumerable<T> source, int count)
    {
        foreach (var item in source)
        {
            if (count > 0)
            {
                count--;
            }
            else
            {
                yield return item;
            }
        }
    }
}
