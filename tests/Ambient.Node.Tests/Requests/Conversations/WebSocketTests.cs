using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using Ambient.Mesh;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>
/// WebSockets with a real client and server, through a waypoint and through a gateway: by the upgrade of HTTP/1.1 (RFC 6455) and by extended CONNECT
/// (RFC 8441), whichever of them the client and whichever the pod speaks.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WebSocketTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly TestMesh _mesh = new();
    private readonly ConcurrentQueue<string> _frames = new();
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Theory]
    [InlineData(Entrance.Waypoint, "1.1", 80)]
    [InlineData(Entrance.Waypoint, "1.1", 90)]
    [InlineData(Entrance.Waypoint, "2.0", 80)]
    [InlineData(Entrance.Waypoint, "2.0", 90)]
    [InlineData(Entrance.Gateway, "1.1", 80)]
    [InlineData(Entrance.Gateway, "1.1", 90)]
    [InlineData(Entrance.Gateway, "2.0", 80)]
    [InlineData(Entrance.Gateway, "2.0", 90)]
    public async Task Messages_OfEachKindAndSize_ComeBackFrameByFrame_AndTheCloseIsTheClients(Entrance entrance, string version, int port)
    {
        var way = await OpenAsync(entrance, port);
        using var socket = await ConnectAsync(way, "sleep", version);
        Assert.Equal("chat", socket.SubProtocol);
        await EchoAsync(socket, WebSocketMessageType.Text, Encoding.UTF8.GetBytes("für dich €"));
        await EchoAsync(socket, WebSocketMessageType.Binary, []);
        var large = new byte[300_000];
        new Random(3).NextBytes(large);
        await EchoAsync(socket, WebSocketMessageType.Binary, large);

        // A message in fragments: they arrive as they were sent, and those of one message do not wait for its last.
        _frames.Clear();
        foreach (var (part, end) in new[] { ("a", false), ("bc", false), ("", false), ("def", true) })
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(part), WebSocketMessageType.Text, end, CancellationToken.None).WaitAsync(s_patience);
            var (bytes, ended) = await ReceiveFrameAsync(socket);
            Assert.Equal((part, end), (Encoding.ASCII.GetString(bytes), ended));
        }

        Assert.Equal(["Text 1 False", "Text 2 False", "Text 0 False", "Text 3 True"], _frames);
        await socket.CloseAsync((WebSocketCloseStatus)4321, "that is all", CancellationToken.None).WaitAsync(s_patience);
        Assert.Equal((WebSocketCloseStatus)4321, socket.CloseStatus);
        Assert.Equal("closed 4321 that is all", await _ended.Task.WaitAsync(s_patience));
        Assert.Equal(port == 90 ? "HTTP/2" : "HTTP/1.1", Assert.Single(way.Pod.Requests).Protocol);
        await _mesh.LoggedAsync($"status={(version == "2.0" ? 200 : 101)}");
    }

    [Theory]
    [InlineData(Entrance.Waypoint, "1.1", 80)]
    [InlineData(Entrance.Waypoint, "2.0", 90)]
    [InlineData(Entrance.Gateway, "1.1", 80)]
    [InlineData(Entrance.Gateway, "2.0", 90)]
    public async Task Server_ThatClosesOrBreaksOff_IsHeardOfWithItsCodeOrAsAnError(Entrance entrance, string version, int port)
    {
        var way = await OpenAsync(entrance, port);
        using (var socket = await ConnectAsync(way, "sleep", version))
        {
            await socket.SendAsync("close"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
            var received = await socket.ReceiveAsync(new byte[64], CancellationToken.None).WaitAsync(s_patience);
            Assert.Equal(WebSocketMessageType.Close, received.MessageType);
            Assert.Equal((WebSocketCloseStatus.EndpointUnavailable, "going home"), (socket.CloseStatus, socket.CloseStatusDescription));
        }

        using var second = await ConnectAsync(way, "sleep", version);
        await second.SendAsync("break"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        await Assert.ThrowsAsync<WebSocketException>(() => second.ReceiveAsync(new byte[64], CancellationToken.None).WaitAsync(s_patience));
    }

    [Theory]
    [InlineData(Entrance.Waypoint, "1.1", 80)]
    [InlineData(Entrance.Waypoint, "2.0", 90)]
    [InlineData(Entrance.Gateway, "1.1", 80)]
    [InlineData(Entrance.Gateway, "2.0", 90)]
    public async Task Client_ThatPingsIsAnswered_AndWhenItLeavesThePodIsTold(Entrance entrance, string version, int port)
    {
        var way = await OpenAsync(entrance, port);
        using (var socket = await ConnectAsync(way, "sleep", version, keepAlive: true))
        {
            // Pings that went astray would end it: a receive must be under way for pongs to be seen.
            var receiving = ReceiveFrameAsync(socket);
            await Task.WhenAny(receiving, Task.Delay(TimeSpan.FromSeconds(3)));
            Assert.False(receiving.IsCompleted);
            await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
            Assert.Equal("x", Encoding.ASCII.GetString((await receiving.WaitAsync(s_patience)).Bytes));
        }

        Assert.Equal("left", await _ended.Task.WaitAsync(s_patience));
    }

    [Theory]
    [InlineData("1.1", 80)]
    [InlineData("2.0", 80)]
    public async Task Policy_OfThePrincipal_LetsOneCallerTalkAndRefusesTheOther(string version, int port)
    {
        var way = await OpenAsync(Entrance.Waypoint, port);
        _mesh.SetPolicy("friends", "web", ["cluster.local/ns/app/sa/sleep"], ["GET"]);
        await Assert.ThrowsAsync<WebSocketException>(() => ConnectAsync(way, "notsleep", version));
        await _mesh.LoggedAsync("status=403");
        Assert.Empty(way.Pod.Requests);
        using var socket = await ConnectAsync(way, "sleep", version);
        await EchoAsync(socket, WebSocketMessageType.Text, "hello"u8.ToArray());
    }

    [Theory]
    [InlineData("1.1", 90)]
    [InlineData("1.1", 80)]
    [InlineData("2.0", 80)]
    public async Task Handshake_ThatIsTriedAgain_IsTheClientsAllTheSame(string version, int port)
    {
        var failures = 1;
        var way = await Way.OpenAsync(_mesh, Entrance.Waypoint, port, app =>
        {
            app.UseWebSockets();
            app.Map("/ws", http =>
            {
                if (Interlocked.Decrement(ref failures) >= 0)
                {
                    http.Abort();
                    return Task.CompletedTask;
                }

                return ServeAsync(http);
            });
        });
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/web", new HttpRoute
            {
                Name = "web",
                Namespace = "app",
                ParentRefs = [new ObjectReference("", "Service", "app", "web")],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch()],
                        Action = new ForwardAction
                        {
                            Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "web", Port: port), 1)],
                            Retry = new RetryRule { Conditions = RetryConditions.Reset, Backoff = TimeSpan.FromMilliseconds(1) },
                        },
                    },
                ],
            }),
        });

        // The client checks the answer to its key by itself.
        using var socket = await ConnectAsync(way, "sleep", version);
        await EchoAsync(socket, WebSocketMessageType.Text, "again"u8.ToArray());
        Assert.Equal(2, way.Pod.Requests.Count);
    }

    private Task<Way> OpenAsync(Entrance entrance, int port) => Way.OpenAsync(_mesh, entrance, port, app =>
    {
        app.UseWebSockets();
        app.Map("/ws", ServeAsync);
    });

    private async Task ServeAsync(HttpContext http)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync("chat");
        var buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    _ended.TrySetResult($"closed {(int)socket.CloseStatus!} {socket.CloseStatusDescription}");
                    await socket.CloseOutputAsync(socket.CloseStatus!.Value, socket.CloseStatusDescription, CancellationToken.None);
                    return;
                }

                switch (received.Count < 10 ? Encoding.ASCII.GetString(buffer, 0, received.Count) : "")
                {
                    case "close":
                        await socket.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, "going home", CancellationToken.None);
                        return;
                    case "break":
                        http.Abort();
                        return;
                }

                _frames.Enqueue($"{received.MessageType} {received.Count} {received.EndOfMessage}");
                await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, CancellationToken.None);
            }
        }
        catch (WebSocketException)
        {
            _ended.TrySetResult("left");
        }
    }

    private static async Task<ClientWebSocket> ConnectAsync(Way way, string account, string version, bool keepAlive = false)
    {
        var client = way.Client(account, Version.Parse(version));
        var socket = new ClientWebSocket();
        socket.Options.HttpVersion = client.DefaultRequestVersion;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        socket.Options.AddSubProtocol("chat");
        if (keepAlive)
        {
            socket.Options.KeepAliveInterval = TimeSpan.FromMilliseconds(200);
            socket.Options.KeepAliveTimeout = TimeSpan.FromSeconds(2);
        }

        await socket.ConnectAsync(new UriBuilder(client.BaseAddress!) { Scheme = "ws", Path = "/ws" }.Uri, client, CancellationToken.None).WaitAsync(s_patience);
        return socket;
    }

    private static async Task EchoAsync(ClientWebSocket socket, WebSocketMessageType type, byte[] message)
    {
        await socket.SendAsync(message, type, true, CancellationToken.None).WaitAsync(s_patience);
        using var echoed = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer, CancellationToken.None).WaitAsync(s_patience);
            Assert.Equal(type, received.MessageType);
            echoed.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                break;
            }
        }

        Assert.Equal(message, echoed.ToArray());
    }

    private static async Task<(byte[] Bytes, bool End)> ReceiveFrameAsync(ClientWebSocket socket)
    {
        var buffer = new byte[1024];
        var received = await socket.ReceiveAsync(buffer, CancellationToken.None).WaitAsync(s_patience);
        return (buffer[..received.Count], received.EndOfMessage);
    }
}
