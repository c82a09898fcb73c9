namespace Ambient.Node.Telemetry.Metrics;

/// <summary>
/// Every metric of a process, and the one source of truth for them: what counts, counts here, and a scrape writes it as
/// OpenMetrics text. Names and labels are Istio's, which dashboards rely on. All series together are bounded in number and bytes.
/// </summary>
internal sealed class MetricRegistry
{
    /// <summary>Most series of all families together.</summary>
    public const int MaxSeries = 100_000;

    /// <summary>Most bytes of all series together; about 8,000 pairs of workloads with labels of ordinary length.</summary>
    public const long MaxBytes = 24 * 1024 * 1024;

    private const int Piece = 16 * 1024;

    private readonly Lock _lock = new();
    private MetricFamily[] _families = [];
    private Action[] _beforeScrape = [];

    /// <summary>Creates an empty registry.</summary>
    /// <param name="maxSeries">Most series of all families together.</param>
    /// <param name="maxBytes">Most bytes of all series together.</param>
    public MetricRegistry(int maxSeries = MaxSeries, long maxBytes = MaxBytes)
    {
        Budget = new SeriesBudget(maxSeries, maxBytes);
        Add(new ObservedCounter(
            "ambient_metrics_folded", "How often a new series was folded into an overflow series because the bound of series or of their bytes was reached.", () => Budget.Folded));
    }

    /// <summary>What the series may use in number and bytes, and what they use now.</summary>
    public SeriesBudget Budget { get; }

    /// <summary>Adds a family; families are written in the order they were added.</summary>
    public T Add<T>(T family)
        where T : MetricFamily
    {
        ArgumentNullException.ThrowIfNull(family);
        family.Budget = Budget;
        lock (_lock)
        {
            _families = [.. _families, family];
        }

        return family;
    }

    /// <summary>Registers a callback for before each scrape, for figures that are kept elsewhere until then.</summary>
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
        foreach (var piece in Pieces(text))
        {
            _ = piece;
        }
    }

    /// <summary>Writes all families to a stream as it takes them: only a piece of some kilobytes is in memory at a time.</summary>
    public async ValueTask WriteAsync(Stream output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(output);
        var text = new Utf8TextBuilder();
        try
        {
            foreach (var piece in Pieces(text))
            {
                if (piece.WrittenMemory.Length >= Piece)
                {
                    await output.WriteAsync(piece.WrittenMemory, cancellationToken).ConfigureAwait(false);
                    text.Rewind();
                }
            }

            await output.WriteAsync(text.WrittenMemory, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            text.Clear();
        }
    }

    private IEnumerable<Utf8TextBuilder> Pieces(Utf8TextBuilder text)
    {
        foreach (var refresh in _beforeScrape)
        {
            refresh();
        }

        foreach (var family in _families)
        {
            foreach (var piece in family.Write(text))
            {
                yield return piece;
            }
        }

        yield return text.Append("# EOF\n"u8);
    }
}
