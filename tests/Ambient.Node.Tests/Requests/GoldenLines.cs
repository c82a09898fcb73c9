using System.Globalization;
using System.Reflection;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// Which lines of the recorded requests hold, as <c>GoldenLines.txt</c> has it: begun with what held at 53d15aa, before the HTTP engine, and only ever
/// longer. A folder that AMBIENT_GOLDEN_REPORT names gets a file for each case with the lines that hold now, to compare with it.
/// </summary>
internal static class GoldenLines
{
    private static readonly Dictionary<string, HashSet<int>> s_held = Read();

    /// <summary>Lines of a case that held once, from 1.</summary>
    public static IReadOnlySet<int> Of(string name) => s_held.TryGetValue(name, out var lines) ? lines : [];

    /// <summary>Says which lines of a case hold now.</summary>
    public static void Report(string name, IEnumerable<int> lines)
    {
        if (Environment.GetEnvironmentVariable("AMBIENT_GOLDEN_REPORT") is { Length: > 0 } folder)
        {
            File.WriteAllText(Path.Combine(folder, name), $"{name}: {string.Join(',', Ranges([.. lines]))}\n");
        }
    }

    private static IEnumerable<string> Ranges(int[] lines)
    {
        for (var i = 0; i < lines.Length;)
        {
            var first = lines[i];
            while (++i < lines.Length && lines[i] == lines[i - 1] + 1)
            {
            }

            yield return first == lines[i - 1] ? $"{first}" : $"{first}-{lines[i - 1]}";
        }
    }

    private static Dictionary<string, HashSet<int>> Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("GoldenLines.txt")!;
        using var reader = new StreamReader(stream);
        var held = new Dictionary<string, HashSet<int>>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            if (line.Split(':') is [var name, var ranges])
            {
                held[name] = [.. ranges.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).SelectMany(Lines)];
            }
        }

        return held;
    }

    private static IEnumerable<int> Lines(string range)
    {
        var bounds = range.Split('-').Select(bound => int.Parse(bound, CultureInfo.InvariantCulture)).ToArray();
        return Enumerable.Range(bounds[0], bounds[^1] - bounds[0] + 1);
    }
}
