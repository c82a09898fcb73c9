using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Demo;

public class FootprintTests
{
    [Fact]
    public void Totals_OfMeasuredFigures_AreTheArithmetic()
    {
        var footprint = new Footprint(ZtunnelMegabytes: 12, WaypointMegabytes: 30);

        Assert.Equal(8000, Footprint.SidecarsTotal);
        Assert.Equal(108, footprint.NodesTotal);
        Assert.Equal(300, footprint.WaypointsTotal);
        Assert.Equal(408, footprint.AmbientTotal);
        Assert.Equal(8000.0 / 408, footprint.Ratio, 6);
        Assert.Equal(535, Footprint.Promised.AmbientTotal);
    }

    [Fact]
    public void ParseResident_OfProcStatus_IsInMegabytes() =>
        Assert.Equal(14.5, Footprint.ParseResident("Name:\tztunnel\nVmPeak:\t  99999 kB\nVmRSS:\t   14848 kB\nRssAnon:\t 1 kB\n"));

    [Theory]
    [InlineData("")]
    [InlineData("Name:\tztunnel\nState:\tZ (zombie)\n")]
    [InlineData("VmRSS:\tmany kB\n")]
    public void ParseResident_WithoutTheLine_Throws(string status) =>
        Assert.Throws<FormatException>(() => Footprint.ParseResident(status));

    [SkippableFact]
    public void ProgramOf_ThisProcess_ExistsAndNativeIsWhatHasNoAssembly()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs /proc");

        Assert.True(File.Exists(Footprint.ProgramOf(Environment.ProcessId)));
        Assert.True(Footprint.IsNative("/bin/sh"));
        Assert.False(Footprint.IsNative(Path.ChangeExtension(typeof(FootprintTests).Assembly.Location, null)));
    }

    [SkippableFact]
    public void ReadResident_OfThisProcess_IsAReading()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs /proc");

        Assert.InRange(Footprint.ReadResident(Environment.ProcessId), 5, 10_000);
    }
}
