using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>What Telemetries change of the metrics of one place: which are not counted, and which labels have other values.</summary>
internal sealed class MetricOverrides
{
    private const string Unknown = "unknown";

    // Who sends requests chooses some of these: a value is kept short, and the budget of series bounds how many there are.
    private const int MaxValue = 128;
    private const char Separator = '\u001f';

    private static readonly RequestMetric[] s_all = Enum.GetValues<RequestMetric>();

    private readonly bool[] _disabled = new bool[s_all.Length];
    private readonly ImmutableSortedDictionary<string, Label>[] _labels;
    private readonly List<AccessLogAttributes.Text> _attributes = [];

    private MetricOverrides() =>
        _labels = [.. s_all.Select(static _ => ImmutableSortedDictionary.Create<string, Label>(StringComparer.Ordinal))];

    /// <summary>Tells overrides of different content apart, as part of a key.</summary>
    public string Key { get; private set; } = "";

    /// <summary>Whether labels depend on attributes of a request, which <see cref="ValuesOf"/> reads.</summary>
    public bool HasAttributes => _attributes.Count > 0;

    /// <summary>What rules say, the widest first; null where they change nothing.</summary>
    public static MetricOverrides? Of(IEnumerable<MetricRule> rules)
    {
        var overrides = new MetricOverrides();
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        var any = false;
        foreach (var rule in rules)
        {
            any = true;
            KeyValuePair<string, Label>[] labels =
            [
                .. rule.Tags.Select(static tag => KeyValuePair.Create(tag.Key, new Label(tag.Value, tag.Value ?? "", null))),
                .. rule.Attributes.Select(attribute => KeyValuePair.Create(attribute.Key, new Label(null, attribute.Value, overrides.IndexOf(attribute.Value, known)))),
            ];
            foreach (var metric in rule.Metric is { } one ? [one] : s_all)
            {
                overrides._disabled[(int)metric] = rule.IsDisabled ?? overrides._disabled[(int)metric];
                overrides._labels[(int)metric] = overrides._labels[(int)metric].SetItems(labels);
            }
        }

        overrides.Key = any ? string.Join(';', s_all.Select(metric => $"{overrides._disabled[(int)metric]}:{string.Join(',', overrides._labels[(int)metric].Select(label => $"{label.Key}={label.Value.Source}"))}")) : "";
        return any ? overrides : null;
    }

    /// <summary>The attributes of a request that labels depend on, as one text.</summary>
    public string ValuesOf(in AccessLogEntry entry)
    {
        var values = new string[_attributes.Count];
        for (var i = 0; i < values.Length; i++)
        {
            var value = _attributes[i](entry) ?? "";
            values[i] = (value.Length > MaxValue ? value[..MaxValue] : value).Replace(Separator, ' ');
        }

        return string.Join(Separator, values);
    }

    /// <summary>The labels of a metric as they are counted; null: it is not counted.</summary>
    /// <param name="metric">The metric.</param>
    /// <param name="pairs">Its labels where nothing is changed, in their order.</param>
    /// <param name="attributes">What <see cref="ValuesOf"/> said; null: nothing is known.</param>
    public MetricLabels? Labels(RequestMetric metric, ReadOnlySpan<(string Name, string Value)> pairs, string? attributes = null)
    {
        if (_disabled[(int)metric])
        {
            return null;
        }

        var values = attributes?.Split(Separator);
        var changed = _labels[(int)metric];
        List<(string Name, string Value)> own = [];
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs)
        {
            known.Add(name);
            if (!changed.TryGetValue(name, out var other))
            {
                own.Add((name, value));
            }
            else if (ValueOf(other, values) is { } given)
            {
                own.Add((name, given));
            }
        }

        foreach (var (name, label) in changed)
        {
            if (!known.Contains(name) && ValueOf(label, values) is { } given)
            {
                own.Add((name, given));
            }
        }

        return MetricLabels.Of([.. own]);
    }

    private static string? ValueOf(Label label, string[]? values) =>
        label.Attribute is not { } index ? label.Literal : values is not null && values[index] is { Length: > 0 } value ? value : Unknown;

    private int IndexOf(string expression, Dictionary<string, int> known)
    {
        if (!known.TryGetValue(expression, out var index))
        {
            known[expression] = index = _attributes.Count;

            // Whoever read the rule has looked that it is one.
            _attributes.Add(AccessLogAttributes.Of(expression) ?? (static (in _) => null));
        }

        return index;
    }

    private readonly record struct Label(string? Literal, string Source, int? Attribute);
}
