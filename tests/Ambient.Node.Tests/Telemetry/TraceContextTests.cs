using System.Diagnostics;
using Ambient.Http;
using Ambient.Node.Telemetry.Tracing;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>Traces in headers: W3C and B3, read and written.</summary>
public sealed class TraceContextTests
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Span = "b7ad6b7169203331";
    private const string Next = "00f067aa0ba902b7";

    [Theory]
    [InlineData($"traceparent: 00-{Trace}-{Span}-01", Trace, true)]
    [InlineData($"traceparent: 00-{Trace}-{Span}-00", Trace, false)]
    [InlineData($"traceparent: cc-{Trace}-{Span}-03-more", Trace, true)]
    [InlineData($"b3: {Trace}-{Span}-1", Trace, true)]
    [InlineData($"b3: {Trace}-{Span}", Trace, null)]
    [InlineData($"b3: {Trace}-{Span}-d-{Next}", Trace, true)]
    [InlineData("b3: 0", null, false)]
    [InlineData($"x-b3-traceid: {Trace}|x-b3-spanid: {Span}|x-b3-sampled: 0", Trace, false)]
    [InlineData($"x-b3-traceid: 8448eb211c80319c|x-b3-spanid: {Span}|x-b3-flags: 1", "00000000000000008448eb211c80319c", true)]
    [InlineData("x-b3-sampled: 1", null, true)]
    [InlineData($"traceparent: 00-{Trace}-{Span}-01|b3: 8448eb211c80319c-{Span}-0", Trace, true)]
    [InlineData($"traceparent: 00-nonsense|x-b3-traceid: {Trace}|x-b3-spanid: {Span}", Trace, null)]
    [InlineData($"traceparent: 00-00000000000000000000000000000000-{Span}-01", null, null)]
    [InlineData($"traceparent: 00-{Trace}-0000000000000000-01", null, null)]
    [InlineData($"traceparent: 00-{Trace}-{Span}-01-more", null, null)]
    [InlineData($"traceparent: ff-{Trace}-{Span}-01", null, null)]
    [InlineData("traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", null, null)]
    [InlineData("x-other: 1", null, null)]
    public void Read_FindsTraceAndDecision(string headers, string? trace, bool? sampled)
    {
        var context = TraceContext.Read(Fields(headers));
        Assert.Equal((trace, sampled), (context.IsTrace ? context.TraceId.ToHexString() : null, context.Sampled));
        Assert.Equal(trace is null ? default : ActivitySpanId.CreateFromString(Span), context.SpanId);
    }

    [Theory]
    [InlineData($"traceparent: 00-{Trace}-{Span}-01|tracestate: a=b", $"traceparent: 00-{Trace}-{Next}-01|tracestate: a=b")]
    [InlineData($"b3: {Trace}-{Span}-1", $"b3: {Trace}-{Next}-1-{Span}|traceparent: 00-{Trace}-{Next}-01")]
    [InlineData($"b3: {Trace}-{Span}-d", $"b3: {Trace}-{Next}-d-{Span}|traceparent: 00-{Trace}-{Next}-01")]
    [InlineData($"x-b3-traceid: {Trace}|x-b3-spanid: {Span}|x-b3-parentspanid: {Trace}|x-b3-sampled: 0", $"traceparent: 00-{Trace}-{Next}-00|x-b3-parentspanid: {Span}|x-b3-sampled: 0|x-b3-spanid: {Next}|x-b3-traceid: {Trace}")]
    public void Write_GoesOnInTheFormsThatCame_AndInW3C(string headers, string written)
    {
        var fields = Fields(headers);
        var context = TraceContext.Read(fields);
        context.Write(fields, ActivitySpanId.CreateFromString(Next), context.SpanId);
        List<string> found = [];
        for (var i = 0; i < fields.Count; i++)
        {
            var name = System.Text.Encoding.ASCII.GetString(fields[i].Name);
            found.Add($"{name}: {fields.Get(name)}");
        }

        Assert.Equal(written, string.Join('|', found.Order(StringComparer.Ordinal)));
    }

    private static HttpFields Fields(string headers)
    {
        var fields = new HttpFields();
        foreach (var header in headers.Split('|'))
        {
            fields.Add(header.Split(": ")[0], header.Split(": ")[1]);
        }

        return fields;
    }
}
