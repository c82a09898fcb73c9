using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Demo;

public class MetricsTextTests
{
    private const string Page = """
        # HELP opened Connections.
        # TYPE opened counter
        opened_total{reporter="source",security="mutual_tls",note="a \"b\", {c}"} 3
        opened_total{reporter="source",security="unknown"} 2
        opened_total{reporter="destination",security="mutual_tls"} 1.5e1
        process_open_fds 30
        # EOF
        """;

    [Fact]
    public void Sum_WithLabels_AddsOnlyTheSamplesThatHaveThem()
    {
        var metrics = MetricsText.Parse(Page);

        Assert.Equal(20, metrics.Sum("opened_total"));
        Assert.Equal(5, metrics.Sum("opened_total", ("reporter", "source")));
        Assert.Equal(3, metrics.Sum("opened_total", ("reporter", "source"), ("security", "mutual_tls")));
        Assert.Equal(0, metrics.Sum("opened_total", ("reporter", "nobody")));
        Assert.Equal(0, metrics.Sum("closed_total"));
        Assert.Equal(30, metrics.Sum("process_open_fds"));
    }

    [Fact]
    public void Parse_OfEscapedLabel_UnescapesIt() =>
        Assert.Equal("a \"b\", {c}", MetricsText.Parse(Page).Samples[0].Labels["note"]);

    [Theory]
    [InlineData("opened_total{reporter=source} 1")]
    [InlineData("opened_total{reporter=\"source\"")]
    [InlineData("opened_total many")]
    [InlineData("{} 1")]
    public void Parse_OfBrokenLine_ThrowsWithItsNumber(string line)
    {
        var failure = Assert.Throws<FormatException>(() => MetricsText.Parse($"# first\n{line}\n"));

        Assert.Contains("line 2", failure.Message, StringComparison.Ordinal);
    }
}
