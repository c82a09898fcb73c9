namespace Ambient.Benchmarks.SideBySide;

/// <summary>Every reading of a run, by figure and contender; several rounds make several readings.</summary>
internal sealed class Figures
{
    private readonly Dictionary<(string Figure, string Contender), List<double>> _readings = [];

    /// <summary>Adds a reading; prints it unless <paramref name="text"/> is null.</summary>
    internal void Add(string figure, string contender, double value, string? text)
    {
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

    /// <summary>Mean over the rounds; null when it was not measured.</summary>
    internal double? Mean(string figure, string contender) => _readings.TryGetValue((figure, contender), out var list) ? list.Average() : null;

    /// <summary>The single readings.</summary>
    internal IReadOnlyList<double> Readings(string figure, string contender) => _readings.TryGetValue((figure, contender), out var list) ? list : [];
}
