using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Exchanges;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Writers that write until they have to wait, and what is held for them by then.</summary>
internal sealed class StuckWriters(int count)
{
    private readonly ConcurrentQueue<Http2Stream> _streams = new();
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;

    /// <summary>Bytes of buffers that the stream which holds most holds.</summary>
    public int MostHeld => _streams.Max(static stream => stream.Held);

    /// <summary>Bytes of buffers that all of them hold.</summary>
    public long Held => _streams.First().Connection.Sender.Queue.Held;

    /// <summary>Writes until the exchange breaks off.</summary>
    public async Task WriteAsync(MessageExchange exchange, int size, bool flushes)
    {
        var bytes = new byte[size];
        try
        {
            while (true)
            {
                await WatchAsync(exchange, exchange.WriteAsync(bytes));
                if (flushes)
                {
                    await WatchAsync(exchange, exchange.FlushAsync());
                }
            }
        }
        catch (MessageException)
        {
            // The connection is over.
        }
    }

    /// <summary>Until all of them wait.</summary>
    public Task AllWaitAsync() => _all.Task.WaitAsync(MessageText.Patience);

    private ValueTask WatchAsync(MessageExchange exchange, ValueTask writing)
    {
        if (!writing.IsCompleted)
        {
            _streams.Enqueue(exchange is Http2ServerExchange server ? BodiesOf(server).Stream : BodiesOf((Http2ClientExchange)exchange).Stream);
            if (Interlocked.Increment(ref _waiting) == count)
            {
                _all.TrySetResult();
            }
        }

        return writing;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_bodies")]
    private static extern ref MessageStream BodiesOf(Http2ServerExchange exchange);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_bodies")]
    private static extern ref MessageStream BodiesOf(Http2ClientExchange exchange);
}
