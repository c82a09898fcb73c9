namespace Ambient.Benchmarks.SideBySide;

/// <summary>Every reading of a run, by figure and contender; several rounds make several readings.</summary>
internal sealed class Figures
{
    /// <summary>Ends the name of what another version of ours measured, or what was measured beside it.</summary>
    internal const string OfBaseline = " of the baseline";

    private readonly Dictionary<(string Figure, string Contender), List<double>> _readings;
    private readonly string _suffix;

    internal Figures()
        : this([], "")
    {
    }

    private Figures(Dictionary<(string Figure, string Contender), List<double>> readings, string suffix) => (_readings, _suffix) = (readings, suffix);

    /// <summary>Every figure of a contender that was measured, in the order of the first readings.</summary>
    internal IEnumerable<(string Figure, string Contender)> All => _readings.Keys;

    /// <summary>The same readings, written to and read as those of the baseline.</summary>
    internal Figures Baseline() => new(_readings, OfBaseline);

    /// <summary>Adds a reading; prints it unless <paramref name="text"/> is null.</summary>
    internal void Add(string figure, string contender, double value, string? text)
    {
        contender += _suffix;
        if (!_readings.TryGetValue((figure, contender), out var list))
        {
            _readings[(figure, contender)] = list = [];
        }

        list.Add(value);
        if (text is not null)
        {
            Console.WriteLine($"  {contender,-11} {figure,-24} {text}");
        }
    }

    /// <summary>Median of the rounds; null when it was not measured.</summary>
    internal double? Median(string figure, string contender) => Readings(figure, contender) is { Count: > 0 } all ? MedianOf(all) : null;

    /// <summary>The median of the rounds' ratios; null when one of both was not measured.</summary>
    /// <remarks>A machine that is slower in one round is so for both sides, so each round's readings belong together.</remarks>
    internal double? Ratio(string figure, string ours, string theirs)
    {
        var (a, b) = (Readings(figure, ours), Readings(figure, theirs));
        return a.Count > 0 && a.Count == b.Count ? MedianOf([.. a.Zip(b, static (x, y) => x / y)]) : Median(figure, ours) / Median(figure, theirs);
    }

    /// <summary>The single readings.</summary>
    internal IReadOnlyList<double> Readings(string figure, string contender) => _readings.TryGetValue((figure, contender + _suffix), out var list) ? list : [];

    private static double MedianOf(IReadOnlyList<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
