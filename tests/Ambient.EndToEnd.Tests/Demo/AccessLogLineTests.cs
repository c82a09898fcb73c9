using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Demo;

public class AccessLogLineTests
{
    [Fact]
    public void Parse_OfAuthenticatedConnection_HasBothIdentities()
    {
        var line = AccessLogLine.Parse(
            "2026-11-23T09:00:57.410376Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.2:33026 src.workload=\"sleep-0\" "
            + "src.identity=\"spiffe://cluster.local/ns/default/sa/sleep\" dst.addr=10.0.0.3:15008 dst.hbone_addr=10.0.0.3:9080 "
            + "dst.identity=\"spiffe://cluster.local/ns/default/sa/bookinfo-productpage\" direction=\"outbound\" bytes_sent=81 duration=\"52ms\"")!;

        Assert.True(line.HasIdentities);
        Assert.Equal("info", line.Level);
        Assert.Equal("connection complete", line.Message);
        Assert.Equal("10.0.0.2:33026", line["src.addr"]);
        Assert.Equal("10.0.0.3:9080", line["dst.hbone_addr"]);
        Assert.Equal("outbound", line["direction"]);
        Assert.Equal("52ms", line["duration"]);
        Assert.Null(line["error"]);
    }

    [Fact]
    public void Parse_OfPlaintextConnection_HasNoIdentity()
    {
        var line = AccessLogLine.Parse("t\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.2:1 dst.addr=10.0.0.13:8080 direction=\"outbound\"")!;

        Assert.False(line.HasIdentities);
        Assert.Equal("outbound dst.addr=10.0.0.13:8080", line.Brief);
    }

    [Fact]
    public void Parse_OfQuotedValueWithSpacesAndEscapes_KeepsItWhole()
    {
        var line = AccessLogLine.Parse("t\terror\taccess\tconnection complete\terror=\"denied: \\\"a b=c\\\"\" direction=\"inbound\"")!;

        Assert.Equal("denied: \"a b=c\"", line["error"]);
        Assert.Equal("inbound", line["direction"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("just words")]
    [InlineData("t\tinfo\tproxy\tlistening\taddress=127.0.0.1:15008")]
    public void Parse_OfAnotherLine_IsNull(string text) => Assert.Null(AccessLogLine.Parse(text));
}
