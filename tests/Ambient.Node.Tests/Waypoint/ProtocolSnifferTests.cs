using System.IO.Pipelines;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Node.Requests;

namespace Ambient.Node.Tests.Waypoint;

public sealed class ProtocolSnifferTests
{
    private const string Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    [Theory]
    [InlineData(Preface, InnerProtocol.Http2)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", InnerProtocol.Http1)]
    [InlineData("POST /x?y HTTP/1.0\n", InnerProtocol.Http1)]
    [InlineData("PRINT / HTTP/1.1\r\n", InnerProtocol.Http1)]
    [InlineData("M-SEARCH * HTTP/1.1\r\n", InnerProtocol.Http1)]
    [InlineData("GET / FTP/1.1\r\n", InnerProtocol.Opaque)]
    [InlineData("hello there\n", InnerProtocol.Opaque)]
    [InlineData("\u0016\u0003\u0001", InnerProtocol.Opaque)]
    [InlineData(" GET / HTTP/1.1\r\n", InnerProtocol.Opaque)]
    public void Judge_FirstBytes_TellsTheProtocol(string text, object expected) =>
        Assert.Equal((InnerProtocol)expected, ProtocolSniffer.Judge(Bytes(text), declaredHttp: false));

    [Theory]
    [InlineData("")]
    [InlineData("P")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM")]
    [InlineData("GET / HTTP/1.1\r")]
    [InlineData("GE")]
    public void Judge_TooFewBytes_WaitsForMore(string text) => Assert.Null(ProtocolSniffer.Judge(Bytes(text), declaredHttp: false));

    [Fact]
    public void Judge_DeclaredHttp_OnlyAsksForTheVersion()
    {
        Assert.Equal(InnerProtocol.Http1, ProtocolSniffer.Judge(Bytes("\0garbage"), declaredHttp: true));
        Assert.Null(ProtocolSniffer.Judge(Bytes("PRI * "), declaredHttp: true));
    }

    [Fact]
    public void Judge_EndlessRequestLine_IsNotWaitedFor() =>
        Assert.Equal(InnerProtocol.Opaque, ProtocolSniffer.Judge(Bytes("GET /" + new string('a', 9000)), declaredHttp: false));

    [Theory]
    [InlineData(Preface, InnerProtocol.Http2)]
    [InlineData("GET / HTTP/1.1\r\n", InnerProtocol.Http1)]
    public async Task DetectAsync_ByteByByte_LeavesEveryByteToTheNextReader(string text, object expected)
    {
        var pipe = new Pipe();
        await using var channel = MessageChannel.Over(pipe.Reader.AsStream());
        var detecting = ProtocolSniffer.DetectAsync(channel, declaredHttp: false, CancellationToken.None).AsTask();
        foreach (var b in Encoding.ASCII.GetBytes(text))
        {
            await pipe.Writer.WriteAsync(new[] { b });
        }

        Assert.Equal((InnerProtocol)expected, await detecting.WaitAsync(TimeSpan.FromSeconds(30)));
        await pipe.Writer.CompleteAsync();
        var seen = ReadOnlyMemory<byte>.Empty;
        for (var tries = 0; seen.Length < text.Length && tries < 100; tries++)
        {
            seen = await channel.PeekAsync(1000);
        }

        Assert.Equal(text, Encoding.ASCII.GetString(seen.Span));
    }

    [Fact]
    public async Task DetectAsync_NothingSent_IsClosed()
    {
        var pipe = new Pipe();
        await pipe.Writer.CompleteAsync();
        await using var channel = MessageChannel.Over(pipe.Reader.AsStream());
        Assert.Equal(InnerProtocol.Closed, await ProtocolSniffer.DetectAsync(channel, declaredHttp: true, CancellationToken.None));
    }

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);
}
