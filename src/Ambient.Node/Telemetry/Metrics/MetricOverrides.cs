using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>What Telemetries change of the metrics of one place: which are not counted, and which labels have other values.</summary>
internal sealed class MetricOverrides
{
    private static readonly RequestMetric[] s_all = Enum.GetValues<RequestMetric>();

    private readonly bool[] _disabled = new bool[s_all.Length];
    private readonly ImmutableSortedDictionary<string, string?>[] _tags;

    private MetricOverrides() =>
        _tags = [.. s_all.Select(static _ => ImmutableSortedDictionary.Create<string, string?>(StringComparer.Ordinal))];

    /// <summary>Tells overrides of different content apart, as part of a key.</summary>
    public string Key { get; private set; } = "";

    /// <summary>What rules say, the widest first; null where they change nothing.</summary>
    public static MetricOverrides? Of(IEnumerable<MetricRule> rules)
    {
        var overrides = new MetricOverrides();
        var any = false;
        foreach (var rule in rules)
        {
            any = true;
            foreach (var metric in rule.Metric is { } one ? [one] : s_all)
            {
                overrides._disabled[(int)metric] = rule.IsDisabled ?? overrides._disabled[(int)metric];
                overrides._tags[(int)metric] = overrides._tags[(int)metric].SetItems(rule.Tags);
            }
        }

        overrides.Key = any ? string.Join(';', s_all.Select(metric => $"{overrides._disabled[(int)metric]}:{string.Join(',', overrides._tags[(int)metric].Select(tag => $"{tag.Key}={tag.Value}"))}")) : "";
        return any ? overrides : null;
    }

    /// <summary>The labels of a metric as they are counted; null: it is not counted.</summary>
    /// <param name="metric">The metric.</param>
    /// <param name="pairs">Its labels where nothing is changed, in their order.</param>
    public MetricLabels? Labels(RequestMetric metric, ReadOnlySpan<(string Name, string Value)> pairs)
    {
        if (_disabled[(int)metric])
        {
            return null;
        }

        var tags = _tags[(int)metric];
        List<(string Name, string Value)> own = [];
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs)
        {
            known.Add(name);
            if (!tags.TryGetValue(name, out var other))
            {
                own.Add((name, value));
            }
            else if (other is not null)
            {
                own.Add((name, other));
            }
        }

        own.AddRange(tags.Where(tag => tag.Value is not null && !known.Contains(tag.Key)).Select(tag => (tag.Key, tag.Value!)));
        return MetricLabels.Of([.. own]);
    }
}
