using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Testing.Http2;

namespace Ambient.Node.Tests.Requests.Upstreams;

/// <summary>Requests to an endpoint over HTTP/2, by a waypoint: what is not processed is sent again elsewhere, and who takes few streams gets more connections.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class Http2UpstreamTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TestMesh _mesh = new();
    private readonly ConcurrentQueue<string> _seen = new();
    private RawPod? _pod;
    private int _connections;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        if (_pod is not null)
        {
            await _pod.DisposeAsync();
        }
    }

    /// <summary>RFC 9113 section 8.7: what REFUSED_STREAM or GOAWAY says of a request that was not looked at. It may be sent again whatever its method is.</summary>
    [Theory]
    [InlineData("REFUSED_STREAM", "GET")]
    [InlineData("REFUSED_STREAM", "POST")]
    [InlineData("GOAWAY", "GET")]
    [InlineData("GOAWAY", "POST")]
    public async Task Request_ThatWasNotProcessed_IsSentAgainOnAnotherConnection(string how, string method)
    {
        using var client = await StartAsync(async (peer, connection) =>
        {
            await peer.BeginAsync();
            while (await NextAsync(peer, connection) is { } stream)
            {
                await (_seen.Count != 2 ? AnswerAsync(peer, stream, connection)
                    : how == "GOAWAY" ? peer.GoAwayAsync(Math.Max(stream - 2, 0))
                    : peer.RefuseAsync(stream));
            }
        });
        Assert.Equal("stream 1 of 1", await AskAsync(client, "GET"));
        var answer = await AskAsync(client, method);
        Assert.Equal(3, _seen.Count);
        Assert.NotEqual(_seen.ElementAt(1).Split(':')[0], _seen.ElementAt(2).Split(':')[0]);
        Assert.Equal(_seen.ElementAt(2), $"{answer.Split(' ')[^1]}: stream 1");
        await _mesh.LoggedAsync("attempts=2");
    }

    /// <summary>What GOAWAY covers is answered on the connection that said it; only what comes later goes to another one.</summary>
    [Fact]
    public async Task Request_ThatAGoAwayCovers_IsAnsweredThere_AndTheNextElsewhere()
    {
        using var client = await StartAsync(async (peer, connection) =>
        {
            await peer.BeginAsync();
            while (await NextAsync(peer, connection) is { } stream)
            {
                await peer.GoAwayAsync(stream);
                await AnswerAsync(peer, stream, connection);
            }
        });
        Assert.Equal("stream 1 of 1", await AskAsync(client, "POST"));
        Assert.Equal("stream 1 of 2", await AskAsync(client, "POST"));
        Assert.Equal(["1: stream 1", "2: stream 1"], _seen);
    }

    /// <summary>Something of the request was looked at: nobody knows what it has done, so it is not sent again.</summary>
    [Fact]
    public async Task Request_ThatWasResetOtherwise_IsNotSentAgain()
    {
        using var client = await StartAsync(async (peer, connection) =>
        {
            await peer.BeginAsync();
            while (await NextAsync(peer, connection) is { } stream)
            {
                await peer.FailAsync(stream);
            }
        });
        using var response = await SendAsync(client, "POST");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(["1: stream 1"], _seen);
        await _mesh.LoggedAsync("flags=\"UR\"");
    }

    /// <summary>
    /// Requests that come at once share a connection as far as the endpoint takes them there; beyond that there are others. A new connection's limit is
    /// not known before its SETTINGS are here: what it refuses until then is sent again.
    /// </summary>
    [Fact]
    public async Task Requests_BeyondTheEndpointsLimitOfStreams_TakeFurtherConnections()
    {
        const int limit = 2;
        const int requests = 6;
        var open = new ConcurrentDictionary<int, int>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var client = await StartAsync(async (peer, connection) =>
        {
            await peer.BeginAsync(limit);
            var answering = Task.CompletedTask;
            using var writing = new SemaphoreSlim(1);
            while (await NextAsync(peer, connection) is { } stream)
            {
                if (connection == 1 && stream == 1)
                {
                    // The first one of all learns what the limit is, before others come.
                    await AnswerAsync(peer, stream, connection);
                    continue;
                }

                if (open.GetValueOrDefault(connection) == limit)
                {
                    await writing.WaitAsync();
                    await peer.RefuseAsync(stream);
                    writing.Release();
                    continue;
                }

                // Nothing is answered until all are there: so they are all open at a time.
                open.AddOrUpdate(connection, 1, static (_, count) => count + 1);
                if (open.Values.Sum() == requests)
                {
                    all.TrySetResult();
                }

                answering = AnswerInTurnAsync(answering, writing, peer, stream, connection);
            }

            await answering;
        });
        Assert.Equal("stream 1 of 1", await AskAsync(client, "GET"));
        var answers = await Task.WhenAll(Enumerable.Range(0, requests).Select(_ => AskAsync(client, "GET"))).WaitAsync(s_patience);
        Assert.Equal(requests, answers.Distinct().Count());
        Assert.All(open.Values, count => Assert.InRange(count, 1, limit));
        Assert.True(open.Count >= requests / limit, $"{open.Count} connections");

        async Task AnswerInTurnAsync(Task before, SemaphoreSlim writing, Http2Endpoint peer, int stream, int connection)
        {
            await before;
            await all.Task.WaitAsync(s_patience);
            await writing.WaitAsync();
            await AnswerAsync(peer, stream, connection);
            writing.Release();
        }
    }

    private async Task<int?> NextAsync(Http2Endpoint peer, int connection)
    {
        var stream = await peer.NextAsync();
        if (stream is not null)
        {
            _seen.Enqueue($"{connection}: stream {stream}");
        }

        return stream;
    }

    private static Task AnswerAsync(Http2Endpoint peer, int stream, int connection) => peer.AnswerAsync(stream, $"stream {stream} of {connection}");

    private async Task<HttpClient> StartAsync(Func<Http2Endpoint, int, Task> serve)
    {
        var service = _mesh.AddService("a");
        _pod = await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            var connection = Interlocked.Increment(ref _connections);
            await using var peer = new Http2Endpoint(new NetworkStream(socket, ownsSocket: false));
            await serve(peer, connection);
        }, port: 9000);
        await _mesh.StartWaypointAsync();
        return _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 90);
    }

    private static async Task<string> AskAsync(HttpClient client, string method)
    {
        using var response = await SendAsync(client, method);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync();
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient client, string method) => client.SendAsync(
        new HttpRequestMessage(new HttpMethod(method), "/x") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact });
}
