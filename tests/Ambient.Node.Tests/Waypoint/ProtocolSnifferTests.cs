using System.Buffers;
using System.IO.Pipelines;
using System.Text;
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
        var detecting = ProtocolSniffer.DetectAsync(pipe.Reader, declaredHttp: false, CancellationToken.None).AsTask();
        foreach (var b in Encoding.ASCII.GetBytes(text))
        {
            await pipe.Writer.WriteAsync(new[] { b });
        }

        Assert.Equal((InnerProtocol)expected, await detecting.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.True(pipe.Reader.TryRead(out var result));
        Assert.Equal(text, Encoding.ASCII.GetString(result.Buffer));
    }

    [Fact]
    public async Task DetectAsync_NothingSent_IsClosed()
    {
        var pipe = new Pipe();
        await pipe.Writer.CompleteAsync();
        Assert.Equal(InnerProtocol.Closed, await ProtocolSniffer.DetectAsync(pipe.Reader, declaredHttp: true, CancellationToken.None));
    }

    // Every byte in its own segment: nothing may assume that a token is in one piece.
    private static ReadOnlySequence<byte> Bytes(string text)
    {
        Segment? first = null, last = null;
        foreach (var b in Encoding.Latin1.GetBytes(text))
        {
            last = new Segment(new[] { b }, last);
            first ??= last;
        }

        return first is null ? ReadOnlySequence<byte>.Empty : new ReadOnlySequence<byte>(first, 0, last!, 1);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] memory, Segment? previous)
        {
            Memory = memory;
            if (previous is not null)
            {
                previous.Next = this;
                RunningIndex = previous.RunningIndex + previous.Memory.Length;
            }
        }
    }
}
