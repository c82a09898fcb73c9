using System.Text.RegularExpressions;
using Ambient.Node.Requests;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Tests.Requests;

/// <summary>What a thread counts for itself until somebody asks, and the ids that requests are given.</summary>
public sealed partial class RequestTallyTests
{
    [Fact]
    public void Counts_OfMoreSeriesThanThereArePlaces_AreAllThereWhenAskedFor()
    {
        var tally = new RequestTally();
        var all = Enumerable.Range(0, 200).Select(static _ => new RequestMetrics.Series(new Counter(), new Histogram([1, 10]), new Histogram([1, 10]), null, null, null)).ToArray();
        for (var round = 0; round < 3; round++)
        {
            foreach (var series in all)
            {
                tally.Count(series, new RequestSummary { Flags = "-", Duration = TimeSpan.FromMilliseconds(5), RequestBytes = 100 });
            }
        }

        tally.Flush();
        tally.Flush();

        Assert.All(all, static series => Assert.Equal(3, series.Requests!.Value));
        Assert.All(all, static series => Assert.Contains("d_bucket{le=\"1\"} 0\nd_bucket{le=\"10\"} 3\nd_bucket{le=\"+Inf\"} 3\nd_sum 15\nd_count 3\n", TextOf(series.Duration!), StringComparison.Ordinal));
        Assert.All(all, static series => Assert.Contains("d_bucket{le=\"10\"} 0\nd_bucket{le=\"+Inf\"} 3\nd_sum 300\n", TextOf(series.RequestBytes!), StringComparison.Ordinal));
    }

    [Fact]
    public void RandomIds_AreUuidsOfVersion4_AndDiffer()
    {
        var seen = new HashSet<string>();
        var text = new byte[36];
        for (var i = 0; i < 1000; i++)
        {
            HeaderRules.WriteRandomId(text);
            var id = System.Text.Encoding.ASCII.GetString(text);
            Assert.Matches(Version4(), id);
            Assert.True(seen.Add(id));
        }

        // Every digit comes up at every place that is chance.
        for (var place = 0; place < 36; place++)
        {
            var digits = seen.Select(id => id[place]).Distinct().Count();
            Assert.Equal(place switch { 8 or 13 or 18 or 23 or 14 => 1, 19 => 4, _ => 16 }, digits);
        }
    }

    private static string TextOf(Histogram histogram)
    {
        var text = new Utf8TextBuilder();
        histogram.Write(text, "d", MetricLabels.Of([]));
        return System.Text.Encoding.UTF8.GetString(text.Written);
    }

    [GeneratedRegex("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
    private static partial Regex Version4();
}
