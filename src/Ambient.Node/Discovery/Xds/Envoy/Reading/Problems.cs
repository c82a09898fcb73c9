using System.Collections.Immutable;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>What is not understood in a resource, while it is read: said in the log and to the control plane.</summary>
internal sealed class Problems
{
    private readonly SortedSet<string> _all = new(StringComparer.Ordinal);

    /// <summary>How many are kept; the rest only makes the answer longer.</summary>
    public const int Most = 100;

    /// <summary>Adds one; returns what was not understood.</summary>
    /// <param name="where">Resource and part of it.</param>
    /// <param name="what">What.</param>
    public string Add(string where, string what)
    {
        AddWhole($"{where}: {what}");
        return what;
    }

    /// <summary>Adds one that was said before.</summary>
    public void AddWhole(string problem)
    {
        if (_all.Count < Most)
        {
            _all.Add(problem);
        }
    }

    /// <summary>All, in order.</summary>
    public ImmutableArray<string> ToImmutable() => [.. _all];
}
