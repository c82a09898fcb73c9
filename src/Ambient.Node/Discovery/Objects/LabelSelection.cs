namespace Ambient.Node.Discovery.Objects;

/// <summary>Label selection by equality, the only form that Services and policies use.</summary>
internal static class LabelSelection
{
    /// <summary>Whether <paramref name="labels"/> has every label of <paramref name="selector"/>. An empty selector selects everything.</summary>
    public static bool Selects(IReadOnlyDictionary<string, string> selector, IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (name, value) in selector)
        {
            if (!labels.TryGetValue(name, out var actual) || actual != value)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>As <see cref="Selects"/>, except that an empty selector selects nothing, as in a Service.</summary>
    public static bool SelectsNonEmpty(IReadOnlyDictionary<string, string> selector, IReadOnlyDictionary<string, string> labels) =>
        selector.Count > 0 && Selects(selector, labels);
}
