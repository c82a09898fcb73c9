using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

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

    /// <summary>Whether a metric is not counted.</summary>
    public bool IsDisabled(RequestMetric metric) => _disabled[(int)metric];

    /// <summary>Labels of a metric with other values; null takes one away.</summary>
    public IReadOnlyDictionary<string, string?> Tags(RequestMetric metric) => _tags[(int)metric];
}
