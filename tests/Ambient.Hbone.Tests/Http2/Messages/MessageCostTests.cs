using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>What a request costs. Alone in its collection: it counts what the whole process allocates.</summary>
[CollectionDefinition(nameof(MessageCostTests), DisableParallelization = true)]
[Collection(nameof(MessageCostTests))]
public sealed class MessageCostTests
{
    private static readonly byte[] s_body = new byte[1024];

    [Fact]
    public async Task Request_InSteadyState_AllocatesLittle()
    {
        await using var pair = new MessagePair(AnswerAsync);
        var client = await pair.ConnectAsync();
        await AskAsync(client, 2000);

        // On both sides together: a stream's own object on each, and what the test's client awaits. The quietest of a few rounds: the rest of the process
        // makes some noise.
        const int requests = 5000;
        const int most = 1000;
        var least = double.MaxValue;
        for (var round = 0; round < 5 && least > most; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await AskAsync(client, requests);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)requests);
        }

        Assert.InRange(least, 0, most);
    }

    // Head and body of a small answer are one write, and so are the answers of what came in one read.
    [Fact]
    public async Task Answers_OfOneTurn_LeaveInOneWrite()
    {
        CountingStream? wire = null;
        await using var harness = ServerHarness.Start(handle: AnswerAsync, wrap: stream => wire = new CountingStream(stream));
        await harness.Peer.HandshakeAsync();
        await harness.Peer.SettleAsync();
        var before = wire!.Writes;
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.Peer.ExpectDataAsync(1, 1024);
        Assert.Equal(1, wire.Writes - before);
        before = wire.Writes;
        var requests = new List<byte>();
        for (var id = 3; id < 23; id += 2)
        {
            requests.AddRange(RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, id, harness.Peer.Block(ServerHarness.Get())));
        }

        await harness.Peer.SendRawAsync(requests.ToArray());
        await harness.Peer.ExpectDataAsync(21, 1024);
        Assert.Equal(1, wire.Writes - before);
    }

    // A body that has begun and does not go on: what came was read, and no buffer waits for more.
    [Fact]
    public async Task Client_ThatFallsSilentInItsBodies_HoldsNoBuffer()
    {
        const int count = 1500;
        var reading = 0;
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxConcurrentStreams = 5_000 }, async exchange =>
        {
            while (!(await exchange.ReadAsync()).IsEmpty)
            {
                Interlocked.Increment(ref reading);
            }
        });
        var next = 1;
        async Task OpenAsync(int streams)
        {
            var expected = Volatile.Read(ref reading) + streams;
            for (var i = 0; i < streams; i++, next += 2)
            {
                await harness.Peer.SendHeadersAsync(next, false, ServerHarness.Post());
                await harness.Peer.SendDataAsync(next, "abc"u8.ToArray());
            }

            while (Volatile.Read(ref reading) < expected)
            {
                await Task.Delay(10).WaitAsync(MessageText.Patience);
            }
        }

        await OpenAsync(100);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await OpenAsync(count);
        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / count;

        // Objects and the handler's wait. The smallest buffer would be 4,096 bytes more.
        Assert.True(each <= 4_000, $"{each} bytes for each stream");
    }

    private static ValueTask AnswerAsync(ServerExchange exchange)
    {
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.ContentLength = s_body.Length;
        var head = exchange.SendHeadAsync(exchange.Response, end: false);
        Assert.True(head.IsCompletedSuccessfully);
        var body = exchange.WriteAsync(s_body);
        Assert.True(body.IsCompletedSuccessfully);
        return exchange.EndAsync();
    }

    private static async Task AskAsync(MessageClientConnection client, int requests)
    {
        var head = MessageText.Get();
        for (var i = 0; i < requests; i++)
        {
            Assert.True(client.TryBegin(out var exchange));
            await exchange.SendHeadAsync(head, end: true).ConfigureAwait(false);
            await exchange.ReceiveHeadAsync().ConfigureAwait(false);
            while (!(await exchange.ReadAsync().ConfigureAwait(false)).IsEmpty)
            {
            }

            await exchange.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Counts the writes to a stream.</summary>
    private sealed class CountingStream(Stream inner) : Stream
    {
        private int _writes;

        public int Writes => Volatile.Read(ref _writes);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _writes);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            await base.DisposeAsync();
        }
    }
}
