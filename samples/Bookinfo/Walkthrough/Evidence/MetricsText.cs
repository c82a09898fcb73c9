using System.Globalization;
using System.Text;

namespace Ambient.Samples.Bookinfo.Walkthrough.Evidence;

/// <summary>A page of Prometheus metrics, as a proxy serves it.</summary>
internal sealed class MetricsText
{
    private readonly List<Sample> _samples;

    private MetricsText(List<Sample> samples) => _samples = samples;

    /// <summary>A page without samples.</summary>
    public static MetricsText Empty { get; } = new([]);

    /// <summary>One sample.</summary>
    internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

    /// <summary>Samples in the order of the page.</summary>
    public IReadOnlyList<Sample> Samples => _samples;

    /// <summary>The sum of all samples of a name whose labels have the given values.</summary>
    public double Sum(string name, params ReadOnlySpan<(string Label, string Value)> labels)
    {
        double sum = 0;
        foreach (var sample in _samples)
        {
            if (sample.Name != name)
            {
                continue;
            }

            var matches = true;
            foreach (var (label, value) in labels)
            {
                matches &= sample.Labels.GetValueOrDefault(label) == value;
            }

            sum += matches ? sample.Value : 0;
        }

        return sum;
    }

    /// <summary>Reads the text format; lines that it does not understand are an error, because a scraper would refuse them.</summary>
    /// <exception cref="FormatException">A line is neither a comment nor a sample; the message has its number.</exception>
    public static MetricsText Parse(string text)
    {
        var samples = new List<Sample>();
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            samples.Add(ParseSample(line) ?? throw new FormatException($"metrics line {number} is not a sample: {line}"));
        }

        return new MetricsText(samples);
    }

    private static Sample? ParseSample(string line)
    {
        var nameEnd = line.IndexOfAny(['{', ' ']);
        if (nameEnd <= 0)
        {
            return null;
        }

        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        var at = nameEnd;
        if (line[at] == '{')
        {
            at++;
            while (at < line.Length && line[at] != '}')
            {
                var equals = line.IndexOf('=', at);
                if (equals < 0 || equals + 1 >= line.Length || line[equals + 1] != '"')
                {
                    return null;
                }

                var label = line[at..equals].Trim().TrimStart(',').Trim();
                var value = new StringBuilder();
                for (at = equals + 2; at < line.Length && line[at] != '"'; at++)
                {
                    if (line[at] == '\\' && at + 1 < line.Length)
                    {
                        at++;
                        value.Append(line[at] == 'n' ? '\n' : line[at]);
                    }
                    else
                    {
                        value.Append(line[at]);
                    }
                }

                labels[label] = value.ToString();
                at++;
            }

            at++;
        }

        var rest = at < line.Length ? line[at..].Trim().Split(' ') : [""];
        return double.TryParse(rest[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? new Sample(line[..nameEnd], labels, number)
            : null;
    }
}
