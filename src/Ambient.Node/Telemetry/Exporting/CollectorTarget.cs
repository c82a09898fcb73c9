using System.Collections.Immutable;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>Where an exporter sends to.</summary>
/// <param name="What">What it sends, for people.</param>
/// <param name="Name">Name of the provider.</param>
/// <param name="Address">Address of the collector.</param>
/// <param name="Timeout">How long an answer may take.</param>
/// <param name="Headers">Headers that go with it.</param>
internal sealed record CollectorTarget(string What, string Name, Uri Address, TimeSpan Timeout, ImmutableDictionary<string, string> Headers);

/// <summary>Counts what an exporter sends.</summary>
/// <param name="Exported">What was taken.</param>
/// <param name="Dropped">What was not.</param>
internal sealed record ExportCounters(Counter Exported, Counter Dropped);
