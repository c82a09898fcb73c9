using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>
/// What a connection of HTTP/1.1 holds for a peer that does not do its part: at most one buffer of 64 KB each way, and none while nothing is under way;
/// and what a request allocates: nothing. Alone in its collection: it looks at the memory of the whole process.
/// </summary>
[CollectionDefinition(nameof(Http1MemoryTests), DisableParallelization = true)]
[Collection(nameof(Http1MemoryTests))]
public sealed class Http1MemoryTests
{
    private static readonly byte[] s_get = "GET /a/path?with=query HTTP/1.1\r\nHost: shop.app.svc.cluster.local\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"u8.ToArray();
    private static readonly byte[] s_body = "the body of an answer"u8.ToArray();

    [Fact]
    public async Task For_a_client_that_does_not_read_64_KB_are_held()
    {
        var stuck = new TaskCompletionSource<long>();
        await using var server = Server(async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            while (true)
            {
                var writing = exchange.WriteAsync(new byte[1000]);
                if (!writing.IsCompleted)
                {
                    stuck.SetResult(exchange.BytesSent);
                }

                await writing;
            }
        });
        var channel = new MemoryChannel(s_get, 1, ends: false, takes: false);
        using var end = new CancellationTokenSource();
        var serving = server.ServeAsync(new MessageChannel(channel), null, HttpProtocolVersion.Http11, end.Token);
        var held = await stuck.Task.WaitAsync(MessageKit.Patience);
        Assert.InRange(held, 1, IoBuffers.Large + 1000);
        await end.CancelAsync();
        await serving.WaitAsync(MessageKit.Patience);
    }

    [Fact]
    public async Task For_a_handler_that_does_not_read_no_more_than_64_KB_are_taken_from_a_client()
    {
        var going = new TaskCompletionSource();
        await using var server = Server(async exchange =>
        {
            // A buffer's worth was read, and the buffer has grown to its largest; then nothing more.
            while (exchange.BytesReceived < 1_000_000)
            {
                await exchange.ReadAsync();
            }

            await going.Task;
        });
        var head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n"u8.ToArray();
        var channel = new MemoryChannel([.. head, .. new byte[200_000_000]], 1, ends: false);
        var serving = server.ServeAsync(new MessageChannel(channel), null, HttpProtocolVersion.Http11, CancellationToken.None);
        Assert.InRange(channel.Received, 1_000_000, 1_000_000 + (2 * IoBuffers.Large));
        going.SetResult();
        await server.DisposeAsync();
        await serving.WaitAsync(MessageKit.Patience);
    }

    [Fact]
    public async Task For_a_server_that_does_not_read_64_KB_are_held_by_a_client()
    {
        var channel = new MemoryChannel(s_get, 0, ends: false, takes: false);
        await using var connection = MessageClient.Open(new MessageChannel(channel), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(connection.TryBegin(out var exchange));
        await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true }, end: false);
        ValueTask writing = default;
        while (writing.IsCompleted)
        {
            await writing;
            writing = exchange.WriteAsync(new byte[1000]);
        }

        Assert.InRange(exchange.BytesSent, 1, IoBuffers.Large + 1000);
        exchange.Abort(MessageFault.Aborted);
        await Assert.ThrowsAsync<MessageException>(async () => await writing);
        await exchange.DisposeAsync();
    }

    [Fact]
    public async Task Of_an_answer_that_nobody_reads_no_more_than_64_KB_are_taken_by_a_client()
    {
        byte[] answer = [.. "HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n"u8, .. new byte[50_000_000]];
        var channel = new MemoryChannel(answer, 1, ends: false);
        await using var connection = MessageClient.Open(new MessageChannel(channel), HttpProtocolVersion.Http11, new MessageClientOptions { MaxHeadSize = 1024 }, TimeProvider.System);
        Assert.False(connection.TryBegin(out _), "an answer before its request is nobody's");

        // The request is sent first, and the answer comes then.
        var late = new MemoryChannel(answer, 0, ends: false);
        await using var second = MessageClient.Open(new MessageChannel(late), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(second.TryBegin(out var exchange));
        await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
        late.Bring(1);
        Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
        while (exchange.BytesReceived < 1_000_000)
        {
            await exchange.ReadAsync();
        }

        Assert.InRange(late.Received, 1_000_000, 1_000_000 + (2 * IoBuffers.Large));
        exchange.Abort(MessageFault.Aborted);
        await exchange.DisposeAsync();
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    public async Task For_a_client_that_falls_silent_in_its_body_no_buffer_is_held(string begun)
    {
        const int count = 300;
        await using var server = Server(static async exchange =>
        {
            while (!(await exchange.ReadAsync()).IsEmpty)
            {
            }
        });
        var bytes = Encoding.ASCII.GetBytes(begun);
        var serving = new List<Task>(count + 50);
        void Open(int connections)
        {
            for (var i = 0; i < connections; i++)
            {
                serving.Add(server.ServeAsync(new MessageChannel(new MemoryChannel(bytes, 1, ends: false)), null, HttpProtocolVersion.Http11, CancellationToken.None));
            }
        }

        Open(50);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Open(count);
        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / count;

        // Objects, the waits among them. A buffer alone would be 4,096 bytes more.
        Assert.True(each <= 7_500, $"{each} bytes for each connection");
        Assert.Equal(count + 50, server.Connections);
        await server.DisposeAsync();
        await Task.WhenAll(serving).WaitAsync(MessageKit.Patience);
    }

    [Fact]
    public async Task A_connection_that_idles_holds_no_buffer()
    {
        const int count = 500;
        await using var server = Server(AnswerAsync);
        var serving = new List<Task>(count + 50);
        void Open(int connections)
        {
            for (var i = 0; i < connections; i++)
            {
                serving.Add(server.ServeAsync(new MessageChannel(new MemoryChannel(s_get, 3, ends: false)), null, HttpProtocolVersion.Http11, CancellationToken.None));
            }
        }

        Open(50);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Open(count);
        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / count;

        // Objects, and the lists of fields that are kept for the next request. A buffer alone would be 4,096 bytes.
        Assert.True(each <= 6_000, $"{each} bytes for each connection");
        Assert.Equal(count + 50, server.Connections);
        await server.DisposeAsync();
        await Task.WhenAll(serving).WaitAsync(MessageKit.Patience);
    }

    [Fact]
    public async Task Requests_and_responses_allocate_nothing_once_a_connection_is_made()
    {
        await using var server = Server(AnswerAsync);
        long Allocated(int requests)
        {
            var channel = new MemoryChannel(s_get, requests, ends: true);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var serving = server.ServeAsync(new MessageChannel(channel), null, HttpProtocolVersion.Http11, CancellationToken.None);
            var after = GC.GetAllocatedBytesForCurrentThread();
            Assert.True(serving.IsCompletedSuccessfully, "nothing waits, so all was done by this thread");
            Assert.True(channel.Sent > requests * s_body.Length);
            return after - before;
        }

        // The same connection, a thousand requests longer.
        var least = long.MaxValue;
        for (var i = 0; i < 6 && least > 0; i++)
        {
            least = Math.Min(least, Allocated(1_100) - Allocated(100));
        }

        Assert.True(least <= 0, $"{least} bytes for 1,000 requests");
    }

    [Fact]
    public async Task A_client_allocates_nothing_for_a_request_once_a_connection_is_made()
    {
        var answer = Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\ncontent-length: {s_body.Length}\r\ncontent-type: text/plain\r\n\r\n{Encoding.ASCII.GetString(s_body)}");
        var head = new RequestHead { Method = "GET", Authority = "shop.app", Target = "/" };
        head.Fields.Add("accept", "*/*");
        var channel = new AnsweringChannel(answer);
        await using var connection = MessageClient.Open(new MessageChannel(channel), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        var allocated = Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                Assert.True(connection.TryBegin(out var exchange));
                Done(exchange.SendHeadAsync(head, end: true));
                var received = exchange.ReceiveHeadAsync();
                Assert.True(received.IsCompletedSuccessfully);
                if (received.Result.Status != 200)
                {
                    throw new InvalidOperationException("not this");
                }

                while (exchange.TryRead(out var piece) && !piece.IsEmpty)
                {
                }

                Done(exchange.DisposeAsync());
            }
        });
        Assert.Equal(0, allocated);
    }

    private static void Done(ValueTask task)
    {
        Assert.True(task.IsCompletedSuccessfully);
        task.GetAwaiter().GetResult();
    }

    private static async ValueTask AnswerSlowlyAsync(ValueTask sending, ServerExchange exchange)
    {
        await sending;
        await exchange.WriteAsync(s_body);
        await exchange.EndAsync();
    }

    private static ValueTask AnswerAsync(ServerExchange exchange)
    {
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.ContentLength = s_body.Length;
        exchange.Response.Fields.Add("content-type"u8, "text/plain"u8);
        var sending = exchange.SendHeadAsync(exchange.Response, end: false);
        if (!sending.IsCompletedSuccessfully)
        {
            return AnswerSlowlyAsync(sending, exchange);
        }

        var writing = exchange.WriteAsync(s_body);
        return writing.IsCompletedSuccessfully ? exchange.EndAsync() : AnswerSlowlyAsync(writing, exchange);
    }

    private static MessageServer Server(Func<ServerExchange, ValueTask> handle) =>
        new(new MessageKit.DelegateHandler(handle), new MessageServerOptions(), TimeProvider.System);
}
