using System.Threading.Channels;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Discovery.Xds;

public sealed class XdsSenderTests
{
    private readonly Channel<DeltaDiscoveryRequest> _outbox = Channel.CreateBounded<DeltaDiscoveryRequest>(4);
    private readonly FakeTimeProvider _time = new();
    private int _ended;

    [Fact]
    public async Task Requests_AreSentInOrder_UntilReadingHasEnded()
    {
        var stream = new Stream();
        var sending = SendAsync(stream);
        for (var i = 0; i < 10; i++)
        {
            await _outbox.Writer.WriteAsync(new DeltaDiscoveryRequest { ResponseNonce = $"{i}" });
        }

        _outbox.Writer.Complete();
        await sending.WaitAsync(XdsKit.Patience);

        Assert.Equal("0123456789", string.Concat(stream.Sent.Select(static request => request.ResponseNonce)));
        Assert.Equal(0, _ended);
    }

    [Fact]
    public async Task SendThatFails_LeavesItToReadingToSayWhy_AndNeverHoldsItUp()
    {
        var sending = SendAsync(new Stream { Failure = new IOException("lost") });

        // More than the outbox holds: whoever reads the stream waits for room in it.
        for (var i = 0; i < 20; i++)
        {
            await _outbox.Writer.WriteAsync(new DeltaDiscoveryRequest()).AsTask().WaitAsync(XdsKit.Patience);
        }

        _time.Advance(XdsSender.Grace - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, _ended);
        _outbox.Writer.Complete();
        await sending.WaitAsync(XdsKit.Patience);

        Assert.Equal(0, _ended);
    }

    [Fact]
    public async Task SendThatFails_EndsACallThatReadsOn()
    {
        var sending = SendAsync(new Stream { Failure = new InvalidOperationException("a fault of ours") });
        await _outbox.Writer.WriteAsync(new DeltaDiscoveryRequest());
        while (!sending.IsCompleted)
        {
            _time.Advance(XdsSender.Grace);
            await Task.Delay(1);
        }

        Assert.Equal(1, _ended);
    }

    private Task SendAsync(Stream stream) =>
        XdsSender.SendAsync(stream, _outbox.Reader, () => Interlocked.Increment(ref _ended), _time, CancellationToken.None);

    private sealed class Stream : IAsyncStreamWriter<DeltaDiscoveryRequest>
    {
        public List<DeltaDiscoveryRequest> Sent { get; } = [];

        public Exception? Failure { get; init; }

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(DeltaDiscoveryRequest message)
        {
            Sent.Add(message);
            return Failure is null ? Task.CompletedTask : Task.FromException(Failure);
        }
    }
}
