namespace Ambient.Node.Telemetry.Metrics;

/// <summary>
/// Every metric of a process, and the one source of truth for them: what counts, counts here, and a scrape writes it as
/// OpenMetrics text. Names and labels are Istio's, which dashboards rely on.
/// </summary>
internal sealed class MetricRegistry
{
    private readonly Lock _lock = new();
    private MetricFamily[] _families = [];
    private Action[] _beforeScrape = [];

    /// <summary>Adds a family; families are written in the order they were added.</summary>
    public T Add<T>(T family)
        where T : MetricFamily
    {
        ArgumentNullException.ThrowIfNull(family);
        lock (_lock)
        {
            _families = [.. _families, family];
        }

        return family;
    }

    /// <summary>Calls back before each scrape, for figures that are kept elsewhere until somebody looks.</summary>
    public void BeforeScrape(Action refresh)
    {
        lock (_lock)
        {
            _beforeScrape = [.. _beforeScrape, refresh];
        }
    }

    /// <summary>Writes all families, ended by <c># EOF</c>.</summary>
    public void Write(Utf8TextBuilder text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var refresh in _beforeScrape)
        {
            refresh();
        }

        foreach (var family in _families)
        {
            family.Write(text);
        }

        text.Append("# EOF\n"u8);
    }
}
