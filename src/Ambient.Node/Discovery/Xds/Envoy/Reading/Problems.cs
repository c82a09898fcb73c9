using System.Collections.Immutable;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>What is not understood in a resource, while it is read: said in the log and to the control plane. And what is passed over: said in the log alone.</summary>
internal sealed class Problems
{
    // Most resources have none.
    private SortedSet<string>? _all;
    private SortedSet<string>? _notes;

    /// <summary>How many of a kind are kept; the rest only makes the answer longer.</summary>
    public const int Most = 100;

    /// <summary>Adds what is blocked; returns what was not understood.</summary>
    /// <param name="where">Resource and part of it.</param>
    /// <param name="what">What.</param>
    public string Add(string where, string what)
    {
        Keep(ref _all, $"{where}: {what}");
        return what;
    }

    /// <summary>Adds what is passed over, or done in another way, where a condition holds.</summary>
    /// <param name="holds">The condition.</param>
    /// <param name="where">Resource and part of it.</param>
    /// <param name="what">What.</param>
    public void NoteIf(bool holds, string where, string what)
    {
        if (holds)
        {
            Keep(ref _notes, $"{where}: {what}");
        }
    }

    /// <summary>Adds what was said of a part before.</summary>
    public void Add(PartProblems part)
    {
        foreach (var problem in part.Blocked)
        {
            Keep(ref _all, problem);
        }

        foreach (var note in part.PassedOver)
        {
            Keep(ref _notes, note);
        }
    }

    /// <summary>All, in order.</summary>
    public PartProblems ToPart() => new(_all is null ? [] : [.. _all], _notes is null ? [] : [.. _notes]);

    private static void Keep(ref SortedSet<string>? set, string text)
    {
        set ??= new SortedSet<string>(StringComparer.Ordinal);
        if (set.Count < Most)
        {
            set.Add(text);
        }
    }
}

/// <summary>What is said of a resource or a part of one.</summary>
/// <param name="Blocked">What is not understood and blocked.</param>
/// <param name="PassedOver">What is passed over, or done in another way.</param>
internal readonly record struct PartProblems(ImmutableArray<string> Blocked, ImmutableArray<string> PassedOver)
{
    /// <summary>Whether the same is said.</summary>
    public bool IsSame(PartProblems other) => Blocked.AsSpan().SequenceEqual(other.Blocked.AsSpan()) && PassedOver.AsSpan().SequenceEqual(other.PassedOver.AsSpan());
}
