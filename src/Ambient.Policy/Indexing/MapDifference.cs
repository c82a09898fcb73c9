using System.Collections.Immutable;

namespace Ambient.Policy.Indexing;

/// <summary>What two maps differ in, by instance.</summary>
/// <param name="Removed">Values of the first that the second has not, or has another for.</param>
/// <param name="Added">Values of the second that the first has not, or has another for.</param>
internal readonly record struct MapDifference<T>(List<T> Removed, List<T> Added)
    where T : class
{
    /// <summary>Compares two maps: one walk through both where they are in the same order, as a map and what was made from it mostly are.</summary>
    internal static MapDifference<T> Between(ImmutableDictionary<string, T> before, ImmutableDictionary<string, T> after)
    {
        var difference = new MapDifference<T>([], []);
        if (ReferenceEquals(before, after))
        {
            return difference;
        }

        using var olds = before.GetEnumerator();
        using var news = after.GetEnumerator();
        var (hasOld, hasNew) = (olds.MoveNext(), news.MoveNext());
        while (hasOld && hasNew)
        {
            var (old, @new) = (olds.Current, news.Current);
            if (ReferenceEquals(old.Value, @new.Value))
            {
                (hasOld, hasNew) = (olds.MoveNext(), news.MoveNext());
                continue;
            }

            // Each side is asked about its own keys, so that the order does not matter to the result.
            if (!before.TryGetValue(@new.Key, out var was) || !ReferenceEquals(was, @new.Value))
            {
                difference.Added.Add(@new.Value);
                hasNew = news.MoveNext();
            }
            else if (!after.TryGetValue(old.Key, out var @is) || !ReferenceEquals(@is, old.Value))
            {
                difference.Removed.Add(old.Value);
                hasOld = olds.MoveNext();
            }
            else
            {
                (hasOld, hasNew) = (olds.MoveNext(), news.MoveNext());
            }
        }

        for (; hasNew; hasNew = news.MoveNext())
        {
            if (!before.TryGetValue(news.Current.Key, out var was) || !ReferenceEquals(was, news.Current.Value))
            {
                difference.Added.Add(news.Current.Value);
            }
        }

        for (; hasOld; hasOld = olds.MoveNext())
        {
            if (!after.TryGetValue(olds.Current.Key, out var @is) || !ReferenceEquals(@is, olds.Current.Value))
            {
                difference.Removed.Add(olds.Current.Value);
            }
        }

        return difference;
    }
}
