using System.Text;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Tests.Diagnostics;

/// <summary>What a scrape would read.</summary>
internal static class MetricPage
{
    public static string Text(this MetricRegistry registry)
    {
        var text = Utf8TextBuilder.Rent();
        registry.Write(text);
        var page = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return page;
    }
}
