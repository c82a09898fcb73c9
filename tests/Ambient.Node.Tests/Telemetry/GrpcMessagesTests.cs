using Ambient.Node.Requests;
using Ambient.Testing;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>Messages of gRPC, counted as their bytes pass.</summary>
public sealed class GrpcMessagesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Count_IsTheSame_HoweverTheBytesAreCut(int size)
    {
        var body = new MemoryStream();
        foreach (var length in new[] { 0, 1, 300, 5, 0, 65536, 4 })
        {
            body.Write([(byte)(length % 2), (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length]);
            body.Write(Enumerable.Repeat((byte)1, length).ToArray());
        }

        var messages = default(GrpcMessages);
        foreach (var piece in body.ToArray().Chunk(size))
        {
            messages.Pass(piece);
        }

        Assert.Equal(7, messages.Count);
        messages.Pass([0, 0, 0, 0]);
        Assert.Equal(7, messages.Count);
        messages.Pass([0]);
        Assert.Equal(8, messages.Count);
    }

    [Fact]
    public void Pass_AllocatesNothing()
    {
        var (messages, piece) = (default(GrpcMessages), new byte[4096]);
        Assert.Equal(0, Allocations.InSteadyState(() => messages.Pass(piece)));
        Assert.True(messages.Count > 0);
    }
}
