using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests.Forwarding;

namespace Ambient.Node.Tests.Requests.Traffic;

/// <summary>
/// Requests that something ends from outside: a time limit, a policy, a timer that sees nothing move. What is left of them is done on the thread that
/// they came on, and never by whoever ends them, who may hold locks that it needs.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RequestEndingTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly ClockOfTries _clock = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task TimeLimit_AnswersOnTheRequestsOwnThread()
    {
        var (client, asked) = await StartAsync(TimeSpan.FromMilliseconds(1));
        var answer = client.GetAsync(new Uri("/", UriKind.Relative));
        await asked.WaitAsync(TimeSpan.FromSeconds(30));
        await Task.Delay(5);

        // As a timer's thread would.
        await Task.Run(_clock.Fire);

        using var response = await answer;
        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        await AssertLeftOnItsOwnThreadAsync();
    }

    [Fact]
    public async Task PolicyThatChanges_CutsOnTheRequestsOwnThread()
    {
        var (client, asked) = await StartAsync(TimeSpan.FromMinutes(5));
        var answer = client.GetAsync(new Uri("/", UriKind.Relative));
        await asked.WaitAsync(TimeSpan.FromSeconds(30));

        _mesh.SetPolicy("nobody", "a", ["cluster.local/ns/app/sa/other"], []);

        await Assert.ThrowsAsync<HttpRequestException>(() => answer);
        await AssertLeftOnItsOwnThreadAsync();
    }

    [Fact]
    public async Task RequestThatStandsStill_IsAnsweredOnItsOwnThread()
    {
        _mesh.StreamIdleTimeout = TimeSpan.FromSeconds(1);
        var (client, _) = await StartAsync(TimeSpan.FromMinutes(5));

        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        await AssertLeftOnItsOwnThreadAsync();
    }

    private async Task AssertLeftOnItsOwnThreadAsync() =>
        Assert.StartsWith("hbone-io-", await _clock.DisposedOn.WaitAsync(TimeSpan.FromSeconds(30)), StringComparison.Ordinal);

    private async Task<(HttpClient Client, Task Asked)> StartAsync(TimeSpan limit)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _mesh.Time = _clock;
        var service = _mesh.AddService("a");
        await RawPod.StartAsync(_mesh, TunnelProtocol.Tcp, async socket =>
        {
            var buffer = new byte[4096];
            while (await socket.ReceiveAsync(buffer) > 0)
            {
                asked.TrySetResult();
            }
        });
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
                        Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "a", Port: 80), 1)], Timeout = limit },
                    },
                ],
            }),
        });
        await _mesh.StartWaypointAsync();
        return (_mesh.ThroughWaypoint(TestMesh.Id("sleep"), service), asked.Task);
    }

    /// <summary>The system's, but limits of requests run out when the test says so.</summary>
    private sealed class ClockOfTries : TimeProvider
    {
        private readonly TaskCompletionSource<string> _disposedOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Action? _fire;

        /// <summary>The thread that a request was left on.</summary>
        public Task<string> DisposedOn => _disposedOn.Task;

        public void Fire() => _fire!();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (state is not TryClock)
            {
                return base.CreateTimer(callback, state, dueTime, period);
            }

            _fire = () => callback(state);
            return new Noted(this);
        }

        private sealed class Noted(ClockOfTries clock) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose() => clock._disposedOn.TrySetResult(Thread.CurrentThread.Name ?? "a thread without a name");

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
