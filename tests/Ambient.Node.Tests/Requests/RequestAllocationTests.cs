using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// What a request allocates in a gateway, from its head to its line in the access log, once everything is warm: next to nothing, whatever is compiled in.
/// The client and the pod are plain sockets on threads of their own, which allocate nothing. Alone, because the whole process is counted.
/// </summary>
[Collection(nameof(RequestAllocationTests))]
[CollectionDefinition(nameof(RequestAllocationTests), DisableParallelization = true)]
public sealed class RequestAllocationTests : IAsyncDisposable
{
    private const int Requests = 300;
    private const int AtOnce = 32;

#if DEBUG
    // Asynchronous methods are classes in code that is compiled for the debugger, each an object a call; nothing else.
    private const int MostBytes = 1800;
#else
    private const int MostBytes = 32;
#endif

    private readonly TestMesh _mesh = new();

    public ValueTask DisposeAsync() => _mesh.DisposeAsync();

    [Theory]
    [InlineData("nothing")]
    [InlineData("policies")]
    [InlineData("edits")]
    public async Task Request_OnceEverythingIsWarm_AllocatesNextToNothing(string asked)
    {
        _mesh.AddService("web", waypoint: null);
        await using var pod = await RawPod.StartAsync(_mesh, TunnelProtocol.Tcp, Answer, "web");
        _mesh.SetGatewayRoute(asked == "edits" ? new HeaderModification { Set = [new("x-set", "1")], Remove = ["x-gone"] } : null);
        if (asked == "policies")
        {
            for (var i = 0; i < 20; i++)
            {
                var name = $"p{i}";
                _mesh.Configure(requests => requests with
                {
                    AuthorizationPolicies = requests.AuthorizationPolicies.SetItem($"app/{name}", new RequestAuthorizationPolicy
                    {
                        Name = name,
                        Namespace = "app",
                        Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                        Rules = [new RequestRule { To = [new RequestOperation { Paths = new ValueMatch([i == 7 ? "/*" : $"/{name}/*"], []) }] }],
                    }),
                });
            }
        }

        await _mesh.StartGatewayAsync(new GatewayListener("http", 8000, "HTTP", null, AllowedNamespaces.Same, null));
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.Connect(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0], 8000);
        var request = "GET /orders?page=2 HTTP/1.1\r\nhost: web.example:8000\r\nuser-agent: test/1\r\naccept: */*\r\nx-gone: 1\r\n\r\n"u8.ToArray();
        var buffer = new byte[4096];

        var least = long.MaxValue;
        for (var round = 0; round < 30 && least > MostBytes * Requests; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Requests; i++)
            {
                client.Send(request);
                var got = client.Receive(buffer);
                if (!buffer.AsSpan(0, got).StartsWith("HTTP/1.1 200"u8))
                {
                    Assert.Fail(Encoding.ASCII.GetString(buffer, 0, got));
                }
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.True(least <= MostBytes * Requests, $"{least / Requests} bytes a request");
    }

    /// <summary>
    /// Requests that wait at the same time, as many on each of the gateway's threads as .NET's own pool of asynchronous calls has no room for.
    /// </summary>
    [Fact]
    public async Task Requests_ManyAtOnce_AllocateAsLittle()
    {
        _mesh.AddService("web", waypoint: null);
        var all = new Barrier(AtOnce);
        await using var pod = await RawPod.StartAsync(_mesh, TunnelProtocol.Tcp, socket => Answer(socket, all), "web");
        _mesh.SetGatewayRoute(null);
        await _mesh.StartGatewayAsync(new GatewayListener("http", 8000, "HTTP", null, AllowedNamespaces.Same, null));
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        var clients = Enumerable.Range(0, AtOnce).Select(_ => new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 10_000 }).ToArray();
        try
        {
            foreach (var client in clients)
            {
                client.Connect(address, 8000);
            }

            var request = "GET /orders?page=2 HTTP/1.1\r\nhost: web.example\r\nuser-agent: test/1\r\naccept: */*\r\n\r\n"u8.ToArray();
            var buffer = new byte[4096];
            var least = long.MaxValue;
            const int Rounds = 10;
            for (var round = 0; round < 30 && least > MostBytes * AtOnce * Rounds; round++)
            {
                var before = GC.GetTotalAllocatedBytes(precise: true);
                for (var i = 0; i < Rounds; i++)
                {
                    foreach (var client in clients)
                    {
                        client.Send(request);
                    }

                    foreach (var client in clients)
                    {
                        var got = client.Receive(buffer);
                        if (!buffer.AsSpan(0, got).StartsWith("HTTP/1.1 200"u8))
                        {
                            Assert.Fail(Encoding.ASCII.GetString(buffer, 0, got));
                        }
                    }
                }

                least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            Assert.True(least <= MostBytes * AtOnce * Rounds, $"{least / (AtOnce * Rounds)} bytes a request");
        }
        finally
        {
            foreach (var client in clients)
            {
                client.Dispose();
            }
        }
    }

    private static Task Answer(Socket socket) => Answer(socket, null);

    /// <summary>Answers request after request; with a barrier, only when as many as it waits for have come.</summary>
    private static Task Answer(Socket socket, Barrier? all)
    {
        var done = new TaskCompletionSource();
        var thread = new Thread(() =>
        {
            var answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\nserver: raw\r\n\r\nok"u8.ToArray();
            var buffer = new byte[4096];
            try
            {
                socket.NoDelay = true;
                while (socket.Receive(buffer) > 0)
                {
                    if (all?.SignalAndWait(10_000) == false)
                    {
                        break;
                    }

                    socket.Send(answer);
                }
            }
            catch (SocketException)
            {
                // The gateway has closed it.
            }

            done.SetResult();
        }) { IsBackground = true };
        thread.Start();
        return done.Task;
    }
}
