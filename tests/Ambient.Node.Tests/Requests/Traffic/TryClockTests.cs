using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Forwarding;

namespace Ambient.Node.Tests.Requests.Traffic;

/// <summary>Time limits of tries, and answers that stall, at endpoints that say nothing by themselves.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class TryClockTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Limit_ThatIsReachedBeforeTheConnectionIsThere_EndsTheTry()
    {
        _mesh.Time = new HastyClock();
        var asked = 0;
        var client = await StartAsync(new RetryRule { Attempts = 0 }, TimeSpan.FromTicks(1), async socket =>
        {
            var buffer = new byte[4096];
            while (await socket.ReceiveAsync(buffer) > 0)
            {
                Interlocked.Increment(ref asked);
            }
        });
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        await _mesh.LoggedAsync("flags=\"UT\"");
    }

    [Fact]
    public async Task LimitOfOneTry_LeavesTheNextOneItsTime()
    {
        var first = true;
        var client = await StartAsync(new RetryRule { Attempts = 2, Conditions = RetryConditions.Reset, Backoff = TimeSpan.FromMilliseconds(1) }, TimeSpan.FromSeconds(1), async socket =>
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            while (await RawExchange.ReadAsync(stream, hasBody: null) is { Length: > 0 })
            {
                if (first)
                {
                    first = false;
                    await Task.Delay(Timeout.Infinite, CancellationToken.None);
                }

                await stream.WriteAsync(RawExchange.Bytes("HTTP/1.1 200 OK\ncontent-length: 2\n\nok"));
            }
        });

        Assert.Equal("ok", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Fact]
    public async Task Answer_ThatIsTriedAgain_AndWhoseBodyNeverComes_IsNotWaitedFor()
    {
        var answers = new ConcurrentQueue<string>(["HTTP/1.1 503 Service Unavailable\ncontent-length: 10\n\nhalf", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok"]);
        var client = await StartAsync(new RetryRule { Attempts = 1, StatusCodes = [503], Backoff = TimeSpan.FromMilliseconds(1) }, null, async socket =>
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            while (await RawExchange.ReadAsync(stream, hasBody: null) is { Length: > 0 } && answers.TryDequeue(out var answer))
            {
                await stream.WriteAsync(RawExchange.Bytes(answer));
            }

            await socket.ReceiveAsync(new byte[1]);
        });

        Assert.Equal("ok", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Fact]
    public async Task Body_OfWhichMoreCameThanIsKept_WhileTheAnswerWasRead_IsNotSentAgain()
    {
        const int First = 30_000;
        var tries = 0;
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var client = await StartAsync(new RetryRule { Attempts = 2, StatusCodes = [503], Backoff = TimeSpan.FromMilliseconds(1) }, null, async socket =>
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            Interlocked.Increment(ref tries);
            await ReadAsync(stream, First);
            await stream.WriteAsync(RawExchange.Bytes("HTTP/1.1 503 Service Unavailable\ncontent-length: 4\n\nno"));

            // By now it is known that it will be tried again. The rest of the answer waits for more of the body than is kept.
            await Task.Delay(50);
            go.TrySetResult();
            await ReadAsync(stream, 2 * BodyRecord.Most);
            await stream.WriteAsync("ne"u8.ToArray());
            await ReadAsync(stream, int.MaxValue);
        });
        using var content = new TwoPieces(First, 4 * BodyRecord.Most, go.Task);
        using var response = await client.PostAsync(new Uri("/", UriKind.Relative), content);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, tries);

        static async Task ReadAsync(NetworkStream stream, int count)
        {
            var buffer = new byte[16 * 1024];
            while (count > 0 && await stream.ReadAsync(buffer) is var read and > 0)
            {
                count -= read;
            }
        }
    }

    [Fact]
    public async Task Wait_ThatNeverBegan_LeavesNothingBehindForTheNextRequest()
    {
        // The first request stalls, and is to be tried again when it is over already.
        _mesh.StreamIdleTimeout = TimeSpan.FromSeconds(1);
        var asked = 0;
        var client = await StartAsync(new RetryRule { Attempts = 1, Conditions = RetryConditions.Reset, Backoff = TimeSpan.FromMilliseconds(1) }, null, async socket =>
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            while (await RawExchange.ReadAsync(stream, hasBody: null) is { Length: > 0 } request)
            {
                Interlocked.Increment(ref asked);
                if (request.Contains("/served", StringComparison.Ordinal))
                {
                    await stream.WriteAsync(RawExchange.Bytes("HTTP/1.1 200 OK\ncontent-length: 2\n\nok"));
                }
            }
        });
        using var stalled = await client.GetAsync(new Uri("/stalls", UriKind.Relative));
        Assert.Equal(HttpStatusCode.GatewayTimeout, stalled.StatusCode);

        using var leaves = new CancellationTokenSource();
        var seen = Volatile.Read(ref asked);
        var left = client.GetAsync(new Uri("/leaves", UriKind.Relative), leaves.Token);
        while (Volatile.Read(ref asked) == seen)
        {
            await Task.Delay(5);
        }

        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await _mesh.LoggedAsync("/leaves");
        Assert.Equal("ok", await client.GetStringAsync(new Uri("/served", UriKind.Relative)));
    }

    private async Task<HttpClient> StartAsync(RetryRule retry, TimeSpan? tryTimeout, Func<Socket, Task> serve)
    {
        var service = _mesh.AddService("a");
        await RawPod.StartAsync(_mesh, TunnelProtocol.Tcp, serve);
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/a", new HttpRoute
            {
                Name = "a",
                Namespace = "app",
                ParentRefs = [new ObjectReference("", "Service", "app", "a")],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch()],
                        Action = new ForwardAction
                        {
                            Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "a", Port: 80), 1)], Retry = retry, TryTimeout = tryTimeout,
                        },
                    },
                ],
            }),
        });
        await _mesh.StartWaypointAsync();
        return _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
    }

    private sealed class TwoPieces(int first, int second, Task between) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[first]);
            await stream.FlushAsync();
            await between;
            await stream.WriteAsync(new byte[second]);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = first + second;
            return true;
        }
    }

    /// <summary>The system's, but the limits of tries are over as soon as they are set.</summary>
    private sealed class HastyClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            state is TryClock ? new HastyTimer(callback, state) : base.CreateTimer(callback, state, dueTime, period);
    }

    private sealed class HastyTimer(TimerCallback callback, object state) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                Thread.Sleep(1);
                callback(state);
            }

            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
