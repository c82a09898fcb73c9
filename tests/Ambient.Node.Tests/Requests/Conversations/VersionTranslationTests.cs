using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Testing.Messages;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>
/// HTTP/1.1 and 2 in all four combinations of client and endpoint, at a waypoint and at a gateway: what one version says in its own way arrives in the
/// other's, part by part.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class VersionTranslationTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly TestMesh _mesh = new();
    private readonly TaskCompletionSource<MessagePeer> _endpoint = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<IAsyncDisposable> _owned = [];

    /// <summary>Where, the client's version, and the endpoint's.</summary>
    public static TheoryData<Entrance, int, int> Ways
    {
        get
        {
            var ways = new TheoryData<Entrance, int, int>();
            foreach (var entrance in Enum.GetValues<Entrance>())
            {
                for (var way = 0; way < 4; way++)
                {
                    ways.Add(entrance, 1 + (way / 2), 1 + (way % 2));
                }
            }

            return ways;
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _over.SetResult();
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        await _mesh.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Trailers_PassBothWays(Entrance entrance, int client, int endpoint)
    {
        var asking = await OpenAsync(entrance, client, endpoint);
        await asking.SendHeadAsync(isWhole: false, [.. Request("POST", "/x"), ("te", "trailers"), ("trailer", "x-sum, x-part")]);
        await asking.SendAsync("hi");
        await asking.EndAsync(("x-sum", "42"), ("x-part", "one"));

        var answering = await EndpointAsync();
        var request = await answering.ReceiveHeadAsync();
        Assert.Equal("trailers", request["te"]);
        Assert.Equal("x-sum, x-part", request["trailer"]);
        Assert.Equal("hi", await answering.ReceiveAsync(2));
        Assert.Equal([("x-sum", "42"), ("x-part", "one")], await answering.ReceiveEndAsync());

        await answering.SendHeadAsync(isWhole: false, (":status", "200"), ("trailer", "x-sum, x-part"));
        await answering.SendAsync("there");
        await answering.EndAsync(("x-sum", "43"), ("x-part", "two"));
        var answer = await asking.ReceiveHeadAsync();
        Assert.Equal("200", answer[":status"]);
        Assert.Equal("x-sum, x-part", answer["trailer"]);
        Assert.Equal("there", await asking.ReceiveAsync(5));
        Assert.Equal([("x-sum", "43"), ("x-part", "two")], await asking.ReceiveEndAsync());
    }

    /// <summary>The client waits for the endpoint's word, and no other's: the hints come first, though an interim answer is what it waits for.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task InterimAnswers_AndContinue_GoEndToEnd(Entrance entrance, int client, int endpoint)
    {
        var asking = await OpenAsync(entrance, client, endpoint);
        await asking.SendHeadAsync(isWhole: false, [.. Request("POST", "/x"), ("expect", "100-continue"), ("content-length", "2")]);

        var answering = await EndpointAsync();
        var request = await answering.ReceiveHeadAsync();
        Assert.Equal("100-continue", request["expect"]);
        Assert.Equal("2", request["content-length"]);
        await answering.SendHeadAsync(isWhole: false, (":status", "103"), ("link", "</x>"));
        var hints = await asking.ReceiveHeadAsync();
        Assert.Equal(("103", "</x>"), (hints[":status"], hints["link"]));

        await answering.SendHeadAsync(isWhole: false, (":status", "100"));
        Assert.Equal("100", (await asking.ReceiveHeadAsync())[":status"]);
        await asking.SendAsync("hi");
        await asking.EndAsync();
        Assert.Equal("hi", await answering.ReceiveAsync(2));
        Assert.Empty(await answering.ReceiveEndAsync());

        await AnswerAsync(answering, asking);
    }

    /// <summary>The answer has the length of what it does not have, and the next one on the connection is not taken for it.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Head_IsAnsweredWithALengthAndNoBody_AndTheConnectionGoesOn(Entrance entrance, int client, int endpoint)
    {
        var asking = await OpenAsync(entrance, client, endpoint);
        await asking.SendHeadAsync(isWhole: true, Request("HEAD", "/x"));
        var answering = await EndpointAsync();
        await ReceiveWithoutBodyAsync(answering, "HEAD");
        await answering.SendHeadAsync(isWhole: true, (":status", "200"), ("content-length", "7"));
        var answer = await asking.ReceiveHeadAsync();
        Assert.Equal(("200", "7", null), (answer[":status"], answer["content-length"], answer["transfer-encoding"]));
        Assert.Empty(await asking.ReceiveEndAsync());

        // Its connection to the endpoint is free by then.
        await _mesh.LoggedAsync("request complete");
        await asking.SendHeadAsync(isWhole: true, Request("GET", "/y"));
        await ReceiveWithoutBodyAsync(answering, "GET");
        await AnswerAsync(answering, asking);
    }

    /// <summary>Each piece is there before the next is sent, both ways at once.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Body_WithoutALength_IsStreamedBothWays(Entrance entrance, int client, int endpoint)
    {
        var asking = await OpenAsync(entrance, client, endpoint);
        await asking.SendHeadAsync(isWhole: false, Request("POST", "/x"));
        var answering = await EndpointAsync();
        AssertHasNoLength(await answering.ReceiveHeadAsync(), endpoint);
        await answering.SendHeadAsync(isWhole: false, (":status", "200"));
        AssertHasNoLength(await asking.ReceiveHeadAsync(), client);
        foreach (var piece in new[] { "one", "three", "seventeen" })
        {
            await asking.SendAsync(piece);
            Assert.Equal(piece, await answering.ReceiveAsync(piece.Length));
            await answering.SendAsync(piece.ToUpperInvariant());
            Assert.Equal(piece.ToUpperInvariant(), await asking.ReceiveAsync(piece.Length));
        }

        await asking.EndAsync();
        Assert.Empty(await answering.ReceiveEndAsync());
        await answering.EndAsync();
        Assert.Empty(await asking.ReceiveEndAsync());
    }

    private static (string Name, string Value)[] Request(string method, string path) => [(":method", method), (":path", path), (":authority", "a")];

    private static void AssertHasNoLength(MessageStart head, int version)
    {
        Assert.Null(head["content-length"]);
        Assert.Equal(version == 1 ? "chunked" : null, head["transfer-encoding"]);
    }

    private static async Task ReceiveWithoutBodyAsync(MessagePeer answering, string method)
    {
        var request = await answering.ReceiveHeadAsync();
        Assert.Equal((method, null, null), (request[":method"], request["content-length"], request["transfer-encoding"]));
        Assert.Empty(await answering.ReceiveEndAsync());
    }

    private static async Task AnswerAsync(MessagePeer answering, MessagePeer asking)
    {
        await answering.SendHeadAsync(isWhole: false, (":status", "200"), ("content-length", "2"));
        await answering.SendAsync("ok");
        await answering.EndAsync();
        var answer = await asking.ReceiveHeadAsync();
        Assert.Equal(("200", "2"), (answer[":status"], answer["content-length"]));
        Assert.Equal("ok", await asking.ReceiveAsync(2));
        Assert.Empty(await asking.ReceiveEndAsync());
    }

    private Task<MessagePeer> EndpointAsync() => _endpoint.Task.WaitAsync(s_patience);

    /// <summary>Starts all, and connects a client. The endpoint takes one connection.</summary>
    private async Task<MessagePeer> OpenAsync(Entrance entrance, int client, int endpoint)
    {
        var (port, targetPort) = endpoint == 2 ? (90, 9000) : (80, 8080);
        var service = _mesh.AddService("web", entrance == Entrance.Waypoint ? "waypoint" : null);
        _owned.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var peer = await PeerAsync(endpoint, new NetworkStream(socket, ownsSocket: false), isClient: false);
            _endpoint.SetResult(peer);
            await _over.Task;
        }, "web", targetPort));
        Stream stream;
        if (entrance == Entrance.Waypoint)
        {
            await _mesh.StartWaypointAsync();
            var tunnels = new HboneClient(new HboneClientOptions(), _mesh.Svids);
            _owned.Add(tunnels);
            var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
            var tunnel = await tunnels.ConnectAsync(new HboneConnectRequest
            {
                NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
                Authority = $"{service.Vips[0].Address}:{port}",
                Source = TestMesh.Id("sleep"),
                AcceptedIdentities = [waypoint.Identity],
            });
            stream = tunnel.AsStream();
        }
        else
        {
            _mesh.SetGatewayRoute(port: port);
            await _mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0], 8080);
            stream = new NetworkStream(socket, ownsSocket: true);
        }

        var peer = await PeerAsync(client, stream, isClient: true);
        _owned.Add(peer);
        return peer;
    }

    private static async Task<MessagePeer> PeerAsync(int version, Stream stream, bool isClient) =>
        version == 2 ? await Http2Peer.BeginAsync(stream, isClient) : new Http1Peer(stream);
}
