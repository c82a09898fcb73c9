using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>One exporter for each collector of a process that is in use, started when it is first asked for.</summary>
/// <param name="create">Starts one, with what counts its items.</param>
/// <param name="nameOf">The provider's name, a label of its counters.</param>
/// <param name="exported">Items that collectors took.</param>
/// <param name="dropped">Items that none took.</param>
/// <remarks>Lazy asks for the annotation of its type argument; no exporter is made by its constructor without parameters.</remarks>
internal sealed class ExporterTable<TKey, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TExporter>(
    Func<TKey, ExportCounters, TExporter> create, Func<TKey, string> nameOf, CounterFamily exported, CounterFamily dropped) : IAsyncDisposable
    where TKey : notnull
    where TExporter : IAsyncDisposable
{
    private readonly ConcurrentDictionary<TKey, Lazy<TExporter>> _exporters = new();

    /// <summary>The exporter to a collector.</summary>
    public TExporter Of(TKey key) => _exporters.GetOrAdd(key, static (key, table) => new Lazy<TExporter>(() => table.Create(key)), this).Value;

    /// <summary>Sends what is queued, within two seconds each, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var exporter in _exporters.Values.Where(static exporter => exporter.IsValueCreated))
        {
            await exporter.Value.DisposeAsync().ConfigureAwait(false);
        }
    }

    private TExporter Create(TKey key)
    {
        var labels = MetricLabels.Of(("provider", nameOf(key)));
        return create(key, new ExportCounters(exported.Series(labels), dropped.Series(labels)));
    }
}
