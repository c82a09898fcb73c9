using System.Xml.Linq;
using Ambient.Samples.Bookinfo.Walkthrough;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Report;

namespace Ambient.EndToEnd.Tests.Demo;

public class ReportTests
{
    [Fact]
    public void End_AfterOneFailedCheck_FailsThatStepOnly()
    {
        var tell = new Narrator(TextWriter.Null, colors: false);
        tell.Begin(1, 2, "first");
        tell.Check(true, "holds");
        tell.Check(false, "does not");
        tell.Check(true, "holds again");
        tell.End();
        tell.Begin(2, 2, "second");
        tell.Check(true, "holds");
        tell.End();

        Assert.Equal([(1, false), (2, true)], tell.Results.Select(result => (result.Number, result.Passed)));
    }

    [Fact]
    public void Draw_OfAnyText_IsWellFormed()
    {
        var svg = TranscriptSvg.Draw([(Tone.Title, "", "Step <1> & \"more\""), (Tone.Pass, "PASS", new string('x', 500))]);

        Assert.Equal(2, XDocument.Parse(svg).Descendants("{http://www.w3.org/2000/svg}text").Count(text => text.Attribute("x")!.Value == "20"));
    }

    [Theory]
    [InlineData("a: 1\n---\nb: 2\n", "a: 1\n")]
    [InlineData("a: 1\n", "a: 1\n")]
    public void FirstDocument_OfYaml_EndsBeforeTheSecond(string yaml, string first) =>
        Assert.Equal(first, ManifestFolder.FirstDocument(yaml));

    [Fact]
    public void Parse_OfCommandLine_ReadsItOrSaysWhyNot()
    {
        var options = WalkthroughOptions.Parse(["--root", "/r", "--keep"], out _)!;

        Assert.Equal(("/r", true), (options.Root, options.Keep));
        Assert.Null(WalkthroughOptions.Parse(["--root"], out var noValue));
        Assert.Null(WalkthroughOptions.Parse(["--stay"], out var unknown));
        Assert.Equal(("--root needs a value", "unknown argument: --stay"), (noValue, unknown));
    }
}
