namespace Ambient.Node;

/// <summary>
/// Five of LINQ's operators, which code of this namespace finds before those of System.Linq. LINQ has an iterator for each kind of source, and further ones for
/// what may follow, and each type that anything is selected from or filtered by brings all of them: Select and Where 0.2 MB of a ztunnel and 0.3 of a waypoint,
/// laid out in the memory of every process, Take and Skip a fifth of a megabyte, and OfType the old enumerators of every collection, as much again
/// (docs/performance.md, "The program itself"). BannedSymbols.txt keeps LINQ's own Take, Skip and OfType out.
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

    /// <summary>What each of them is made into.</summary>
    /// <param name="source">Any number of items.</param>
    /// <param name="selector">Makes one into another.</param>
    public static IEnumerable<TResult> Select<T, TResult>(this IEnumerable<T> source, Func<T, TResult> selector)
    {
        foreach (var item in source)
        {
            yield return selector(item);
        }
    }

    /// <summary>Those of them that are wanted.</summary>
    /// <param name="source">Any number of items.</param>
    /// <param name="predicate">Says which are.</param>
    public static IEnumerable<T> Where<T>(this IEnumerable<T> source, Func<T, bool> predicate)
    {
        foreach (var item in source)
        {
            if (predicate(item))
            {
                yield return item;
            }
        }
    }
}
