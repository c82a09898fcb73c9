namespace Ambient.Node.Discovery.Documents;

/// <summary>What somebody may have meant who wrote a word that is not known.</summary>
internal static class NearestWord
{
    // Longer words are not typing errors, and comparing them costs.
    private const int MaxLength = 64;

    /// <summary>The known word that is nearest to <paramref name="written"/>, or null when none is near enough to be meant.</summary>
    public static string? To(string written, IEnumerable<string> known) => To(written, known, int.MaxValue);

    /// <summary>As <see cref="To(string, IEnumerable{string})"/>, for places where other words are legal too: two letters may differ, in short words one.</summary>
    public static string? Closest(string written, IEnumerable<string> known) => To(written, known, written.Length < 5 ? 1 : 2);

    private static string? To(string written, IEnumerable<string> known, int most)
    {
        if (written.Length is 0 or > MaxLength)
        {
            return null;
        }

        string? nearest = null;
        var best = int.MaxValue;
        foreach (var word in known)
        {
            var allowed = Math.Min(most, Allowed(Math.Min(written.Length, word.Length)));
            if (Math.Abs(word.Length - written.Length) <= allowed && Distance(written, word) is var distance && distance <= allowed && distance < best)
            {
                (nearest, best) = (word, distance);
            }
        }

        return nearest;
    }

    /// <summary>The words <c>did you mean "x"?</c>, with a blank in front, or nothing.</summary>
    public static string Hint(string written, IEnumerable<string> known) => To(written, known) is { } word ? $"; did you mean \"{word}\"?" : "";

    /// <summary>How many letters may differ: one in short words, a third of long ones.</summary>
    private static int Allowed(int length) => length <= 3 ? 1 : Math.Min(4, (length + 1) / 3);

    /// <summary>Letters to insert, delete, replace or swap with their neighbour; the case of a letter counts for nothing.</summary>
    private static int Distance(string left, string right)
    {
        Span<int> before = stackalloc int[MaxLength + 8];
        Span<int> previous = stackalloc int[MaxLength + 8];
        Span<int> current = stackalloc int[MaxLength + 8];
        for (var j = 0; j <= right.Length; j++)
        {
            previous[j] = j;
        }

        for (var i = 1; i <= left.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var same = char.ToLowerInvariant(left[i - 1]) == char.ToLowerInvariant(right[j - 1]);
                current[j] = Math.Min(Math.Min(previous[j], current[j - 1]) + 1, previous[j - 1] + (same ? 0 : 1));
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                {
                    current[j] = Math.Min(current[j], before[j - 2] + 1);
                }
            }

            previous.CopyTo(before);
            current.CopyTo(previous);
        }

        return previous[right.Length];
    }
}
