using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>A buffer goes back to the shelf once: twice, and two tunnels would write into it.</summary>
public sealed class Http2ConnectionBufferTests
{
    [Fact]
    public async Task Close_WhileAWriteFails_GivesNoBufferBackTwice()
    {
        for (var round = 0; round < 20; round++)
        {
            var transport = new StuckTransport();
            var connection = new Http2Connection(transport, new Http2ConnectionOptions(), null, TimeProvider.System);
            connection.Start();
            var stream = connection.Open(new ConnectRequestHeaders { Authority = "10.0.0.1:80" }, new SentConnect(static _ => { }, ""));
            transport.Stick = true;

            // More than the window, so that a part is being sent and a part is left.
            _ = stream.WriteAsync(IoBuffers.Rent(IoBuffers.Bulk), FrameHeader.Size, IoBuffers.Bulk - FrameHeader.Size).AsTask();

            // Whoever closes has to tell all these, which takes a moment, before it comes to the streams.
            for (var i = 0; i < 10_000; i++)
            {
                _ = connection.SettingsReceived.ContinueWith(static _ => { }, TaskScheduler.Default);
            }

            var failing = Task.Run(() =>
            {
                while (connection.CanOpen)
                {
                }

                transport.Fail();
            });
            connection.Abort(new IOException("the read failed"));
            await failing;
            await connection.Completion;

            // Kept: a full shelf would drop the second one.
            var rented = Enumerable.Range(0, 6).Select(static _ => IoBuffers.Rent(IoBuffers.Bulk)).ToList();
            Assert.Equal(rented.Count, rented.Distinct().Count());
        }
    }

    private sealed class StuckTransport : Http2Transport
    {
        private readonly TaskCompletionSource _readable = new();
        private readonly TaskCompletionSource _written = new();

        public bool Stick { get; set; }

        public void Fail() => _written.TrySetException(new IOException("the write failed"));

        public override ValueTask WaitToReadAsync() => new(_readable.Task);

        public override int TryRead(Memory<byte> buffer) => -1;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => Stick ? new ValueTask(_written.Task) : default;

        public override ValueTask FlushAsync() => default;

        public override ValueTask CloseWriteAsync() => default;

        public override void Abort() => _readable.TrySetResult();

        public override ValueTask DisposeAsync() => default;
    }
}
