using Ambient.Mesh;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Requests;

/// <summary>One of the logs that a request or connection is written to when it ends, compiled.</summary>
internal sealed class AccessLogSink
{
    /// <summary>Our own line about everything.</summary>
    public static AccessLogSink Own { get; } = new(null, null, null);

    private AccessLogSink(AccessLogTemplate? template, AccessLogFilter? filter, AccessLogCollector? collector)
    {
        (Template, Filter, Collector) = (template, filter, collector);
        Records = collector is null ? null : new AccessLogRecordForm(collector);
    }

    /// <summary>Form of a line; null: our own, or there is no line.</summary>
    public AccessLogTemplate? Template { get; }

    /// <summary>What is logged; null: everything.</summary>
    public AccessLogFilter? Filter { get; }

    /// <summary>The collector that gets records in place of lines, or null.</summary>
    public AccessLogCollector? Collector { get; }

    /// <summary>Form of its records; null where there is none.</summary>
    public AccessLogRecordForm? Records { get; }

    /// <summary>Whether it is our own line about everything.</summary>
    public bool IsOwnLine => Template is null && Filter is null && Collector is null;

    /// <summary>Compiles one. What of a form is not known has no value, as whoever read it has said.</summary>
    public static AccessLogSink Of(AccessLogOutput output)
    {
        ArgumentNullException.ThrowIfNull(output);
        return Of(output, AccessLogFilter.Of(output.Conditions));
    }

    /// <summary>Compiles one with a filter of its own.</summary>
    public static AccessLogSink Of(AccessLogOutput output, AccessLogFilter? filter) => output is { Format: null, Collector: null } && filter is null
        ? Own
        : new AccessLogSink(output.Format is { } format ? TemplateOf(format) : null, filter, output.Collector);

    private static AccessLogTemplate TemplateOf(AccessLogFormat form) =>
        form is { IsJson: false, Format: null, OmitsEmptyValues: false } ? AccessLogTemplate.Text : AccessLogTemplate.Of(form, new List<string>());
}
