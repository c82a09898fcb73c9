using System.Collections.Concurrent;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The series of one family by their labels, within the registry's budget. Finding one takes no lock.</summary>
/// <param name="create">Makes a series.</param>
/// <param name="size">Bytes of a series' values, for the budget.</param>
internal sealed class SeriesTable<T>(Func<T> create, int size)
    where T : class
{
    private readonly ConcurrentDictionary<MetricLabels, T> _series = new();

    /// <summary>Whether there is no series yet.</summary>
    public bool IsEmpty => _series.IsEmpty;

    /// <summary>All series; may be read while others are added.</summary>
    public IEnumerable<KeyValuePair<MetricLabels, T>> All => _series;

    /// <summary>The series of a label set for which the budget has been asked already.</summary>
    public T Get(MetricLabels labels) => _series.GetOrAdd(labels, static (_, create) => create(), create);

    /// <summary>The series of a label set; the overflow series where the budget has no room for a new one.</summary>
    public T Get(MetricLabels labels, SeriesBudget? budget)
    {
        if (_series.TryGetValue(labels, out var series))
        {
            return series;
        }

        // The overflow series itself is one for each family, and always has room.
        if (budget is not null && labels != MetricLabels.Overflow && !budget.TryTake(size, labels))
        {
            labels = MetricLabels.Overflow;
        }

        return Get(labels);
    }
}
