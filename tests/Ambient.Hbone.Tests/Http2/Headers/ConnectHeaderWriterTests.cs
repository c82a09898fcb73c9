using System.Buffers;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http2.Headers;

public class ConnectHeaderWriterTests
{
    private static readonly ConnectRequestHeaders s_request = new()
    {
        Authority = "10.77.0.3:8080",
        Baggage = "k8s.cluster.name=Kubernetes,service.name=sleep",
        Forwarded = "for=\"10.77.0.2:42304\"",
        TraceParent = "00-d4bccf4627372ab1b6ef038c6abf670e-2114158dcec660e2-00",
        ForwardedNetwork = "n",
        RequestSource = "waypoint",
    };

    [Fact]
    public void WriteRequest_Everything_ComesInTheReferencesOrder()
    {
        var block = Block(new HPackEncoder(), s_request);
        Assert.Equal(
            [":method", ":authority", "baggage", "forwarded", "traceparent", "x-forwarded-network", "x-istio-source"],
            HeaderList.Decode(new HPackDecoder(), block).Select(header => header.Name));
    }

    [Fact]
    public void WriteRequest_AnyHeaders_ReadBackTheSame()
    {
        var random = new Random(4);
        var encoder = new HPackEncoder();
        var reader = new ConnectHeaderReader(new HPackDecoder(), int.MaxValue);
        for (var i = 0; i < 500; i++)
        {
            var request = new ConnectRequestHeaders
            {
                Authority = $"host-{random.Next(5)}:80",
                Baggage = Text(random),
                Forwarded = Text(random),
                TraceParent = Text(random),
                ForwardedNetwork = Text(random),
                RequestSource = Text(random),
            };
            Assert.Equal(request, reader.ReadRequest(1, Block(encoder, request)));
        }
    }

    [Fact]
    public void WriteRequest_SecondOnTheConnection_IsFarSmaller()
    {
        var encoder = new HPackEncoder();
        var first = Block(encoder, s_request).Length;
        Assert.InRange(Block(encoder, s_request).Length, 1, first * 2 / 3);
    }

    [Theory]
    [InlineData("a\r\nb")]
    [InlineData(" a")]
    [InlineData("a\0")]
    public void WriteRequest_ValueThatCannotBeSent_ThrowsAndChangesNothing(string value)
    {
        var encoder = new HPackEncoder();
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<ArgumentException>(() => ConnectHeaderWriter.WriteRequest(output, encoder, 1, s_request with { TraceParent = value }, false, 16384));
        Assert.Throws<ArgumentException>(() => ConnectHeaderWriter.WriteRequest(output, encoder, 1, s_request with { Authority = value }, false, 16384));
        Assert.Throws<ArgumentException>(() => ConnectHeaderWriter.WriteResponse(output, encoder, 1, new ConnectResponseHeaders(200, value), false, 16384));
        Assert.Equal(0, output.WrittenCount);
        Assert.Equal(s_request, new ConnectHeaderReader(new HPackDecoder(), 65536).ReadRequest(1, Block(encoder, s_request)));
    }

    [Theory]
    [InlineData(200, null)]
    [InlineData(200, "a=b")]
    [InlineData(401, null)]
    [InlineData(599, "x")]
    public void WriteResponse_AnyStatus_ReadsBackTheSame(int status, string? baggage)
    {
        var output = new ArrayBufferWriter<byte>();
        ConnectHeaderWriter.WriteResponse(output, new HPackEncoder(), 7, new ConnectResponseHeaders(status, baggage), endStream: true, 16384);
        var header = FrameHeader.Read(output.WrittenSpan);
        Assert.Equal(new FrameHeader(output.WrittenCount - 9, FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 7), header);
        Assert.Equal(new ConnectResponseHeaders(status, baggage), new ConnectHeaderReader(new HPackDecoder(), 1000).ReadResponse(7, output.WrittenSpan[9..]));
    }

    [Fact]
    public void WriteResponse_Status200_AllocatesNothing()
    {
        var encoder = new HPackEncoder();
        var output = new ArrayBufferWriter<byte>(1 << 20);
        ConnectHeaderWriter.WriteResponse(output, encoder, 7, new ConnectResponseHeaders(200, "a=b"), false, 16384);
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                ConnectHeaderWriter.WriteResponse(output, encoder, 7, new ConnectResponseHeaders(200, "a=b"), false, 16384);
            }
        }));
        Assert.Equal(11, FrameHeader.Read(output.WrittenSpan[^11..]).Length + FrameHeader.Size);
    }

    private static string? Text(Random random) => random.Next(4) switch
    {
        0 => null,
        1 => "",
        2 => new string('x', random.Next(1, 3000)),
        _ => "\u00fcber=" + random.Next(10),
    };

    private static byte[] Block(HPackEncoder encoder, ConnectRequestHeaders request)
    {
        var output = new ArrayBufferWriter<byte>();
        ConnectHeaderWriter.WriteRequest(output, encoder, 1, request, endStream: false, 1 << 20);
        Assert.InRange(output.WrittenCount, 1, HeaderListSize.Of(request) + HPackEncoder.MaxBlockOverhead + FrameHeader.Size);
        return output.WrittenSpan[FrameHeader.Size..].ToArray();
    }
}
