using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>
/// Who breaks an exchange off may hold a lock that its reader or writer wants next: these go on on their own thread, and never within the call.
/// </summary>
public sealed class AbortTests
{
    public static TheoryData<HttpProtocolVersion, string> Ways => new()
    {
        { HttpProtocolVersion.Http11, "head" }, { HttpProtocolVersion.Http11, "body" }, { HttpProtocolVersion.Http11, "write" }, { HttpProtocolVersion.Http11, "cancel" },
        { HttpProtocolVersion.Http2, "head" }, { HttpProtocolVersion.Http2, "body" }, { HttpProtocolVersion.Http2, "write" }, { HttpProtocolVersion.Http2, "cancel" },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task ClientsExchange_BrokenOff_WakesNobodyWithinTheCall(HttpProtocolVersion version, string what)
    {
        var gone = new TaskCompletionSource();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnGone = _ => gone.TrySetResult();
            begun.SetResult();
            if (what == "body")
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                await exchange.FlushAsync();
            }

            await gone.Task;
        });
        await using var connection = await kit.OpenAsync(version);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            var watched = new Watched();
            using var cancelled = new CancellationTokenSource();
            await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true }, end: false);
            await exchange.FlushAsync();
            await begun.Task.WaitAsync(MessageKit.Patience);
            if (what == "body")
            {
                Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
            }

            var waiting = watched.WaitAsync(async () =>
            {
                switch (what)
                {
                    case "head":
                        await exchange.ReceiveHeadAsync().ConfigureAwait(false);
                        break;
                    case "body":
                        await exchange.ReadAsync().ConfigureAwait(false);
                        break;
                    case "cancel":
                        await exchange.ReceiveHeadAsync(cancelled.Token).ConfigureAwait(false);
                        break;
                    default:
                        // Until neither the window nor the socket has room.
                        while (true)
                        {
                            await exchange.WriteAsync(new byte[16 * 1024]).ConfigureAwait(false);
                        }
                }
            });
            Assert.False(waiting.IsCompleted);

            if (what == "cancel")
            {
                watched.Within(cancelled.Cancel);
            }
            else
            {
                watched.Within(() => exchange.Abort(MessageFault.TimedOut));
            }

            Assert.False(await waiting.WaitAsync(MessageKit.Patience), "it went on within the call");
        }

        // A server that stops says nothing to its handlers: the client's end comes first.
        await gone.Task.WaitAsync(MessageKit.Patience);
    }

    [Theory]
    [InlineData(HttpProtocolVersion.Http11)]
    [InlineData(HttpProtocolVersion.Http2)]
    public async Task ServersExchange_BrokenOff_WakesNobodyWithinTheCall(HttpProtocolVersion version)
    {
        var within = new TaskCompletionSource<bool>();
        await using var kit = new MessageKit(async exchange =>
        {
            // On the connection's own thread, as a client's end is told.
            var watched = new Watched();
            var waiting = watched.WaitAsync(async () => await MessageKit.ReadAllAsync(exchange).ConfigureAwait(false));
            watched.Within(() => exchange.Abort(MessageFault.Aborted));
            within.SetResult(await waiting);
        });
        await using var connection = await kit.OpenAsync(version);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true }, end: false);
            await exchange.FlushAsync();

            Assert.False(await within.Task.WaitAsync(MessageKit.Patience), "it went on within the call");
        }
    }

    private sealed class Watched
    {
        private int _thread;

        /// <summary>Makes a call.</summary>
        public void Within(Action call)
        {
            _thread = Environment.CurrentManagedThreadId;
            call();
            _thread = 0;
        }

        /// <summary>Waits for something; true: it ended within a call.</summary>
        [SuppressMessage("Design", "CA1031", Justification = "However it ends.")]
        public async Task<bool> WaitAsync(Func<Task> wait)
        {
            try
            {
                await wait().ConfigureAwait(false);
            }
            catch (Exception e) when (e is MessageException or OperationCanceledException)
            {
                // It was broken off.
            }

            return Volatile.Read(ref _thread) == Environment.CurrentManagedThreadId;
        }
    }
}
