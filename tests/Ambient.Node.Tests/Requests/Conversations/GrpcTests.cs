using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>gRPC of all four kinds, with a real client and server, through a waypoint and through a gateway.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GrpcTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly TestMesh _mesh = new();
    private readonly Chat _chat = new();
    private readonly List<IDisposable> _owned = [];
    private TestPod? _pod;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _owned.ForEach(static owned => owned.Dispose());
        await _mesh.DisposeAsync();
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task Unary_MessageAndMetadata_ArriveBothWays(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        var message = new byte[1_000_000];
        new Random(1).NextBytes(message);
        using var answer = call.AsyncUnaryCall(Chat.AskMethod, null, Options(("x-word", "one"), ("x-word", "two"), ("x-any-bin", (byte[])[0, 127, 128, 255])), message);
        var head = await answer.ResponseHeadersAsync.WaitAsync(s_patience);
        Assert.Equal(message, await answer.ResponseAsync.WaitAsync(s_patience));
        Assert.Equal("first", head.GetValue("x-head"));
        Assert.Equal([0, 1, 2, 255], head.GetValueBytes("x-head-bin"));
        Assert.Equal("last", answer.GetTrailers().GetValue("x-tail"));
        Assert.Equal([255, 0], answer.GetTrailers().GetValueBytes("x-tail-bin"));
        Assert.Equal("one, two", _chat.Seen.GetValue("x-word")); // Joined by the client already.
        Assert.Equal([0, 127, 128, 255], _chat.Seen.GetValueBytes("x-any-bin"));
        await _mesh.LoggedAsync("path=\"/test.Chat/Ask\"");
        Assert.Contains("grpc_response_status=\"0\"", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task ClientStreaming_EveryMessage_ArrivesBeforeTheOneAnswer(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        using var upload = call.AsyncClientStreamingCall(Chat.UploadMethod, null, Options());
        for (var i = 0; i < 200; i++)
        {
            await upload.RequestStream.WriteAsync(new byte[i * 37]).WaitAsync(s_patience);
        }

        await upload.RequestStream.CompleteAsync();
        Assert.Equal($"200 {199 * 200 / 2 * 37}", System.Text.Encoding.ASCII.GetString(await upload.ResponseAsync.WaitAsync(s_patience)));
        Assert.Equal(StatusCode.OK, upload.GetStatus().StatusCode);
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task ServerStreaming_EachMessage_ArrivesBeforeTheNextIsSent(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        using var watch = call.AsyncServerStreamingCall(Chat.WatchMethod, null, Options(), [20]);
        for (byte i = 0; i < 20; i++)
        {
            _chat.Next.Release();
            Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            Assert.Equal([i], watch.ResponseStream.Current);
        }

        Assert.False(await watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        Assert.Equal("last", watch.GetTrailers().GetValue("x-tail"));
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task DuplexStreaming_ManyAtOnce_EachTalksInItsOwnTime(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async talker =>
        {
            using var talk = call.AsyncDuplexStreamingCall(Chat.TalkMethod, null, Options());
            for (var i = 0; i < 50; i++)
            {
                var message = new byte[(i * 301) + 1];
                Array.Fill(message, (byte)talker);
                await talk.RequestStream.WriteAsync(message).WaitAsync(s_patience);
                Assert.True(await talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
                Assert.Equal(message, talk.ResponseStream.Current);
            }

            await talk.RequestStream.CompleteAsync();
            Assert.False(await talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            Assert.Equal(StatusCode.OK, talk.GetStatus().StatusCode);
        }));
    }

    [Theory]
    [InlineData(Entrance.Waypoint, StatusCode.FailedPrecondition)]
    [InlineData(Entrance.Waypoint, StatusCode.Unauthenticated)]
    [InlineData(Entrance.Gateway, StatusCode.Unavailable)]
    [InlineData(Entrance.Gateway, StatusCode.Internal)]
    public async Task Status_OfTheServer_ArrivesWithItsTextAndTrailers(Entrance entrance, StatusCode status)
    {
        var call = (await OpenAsync(entrance))("sleep");
        var options = Options(("fail", status.ToString()));
        using var ask = call.AsyncUnaryCall(Chat.AskMethod, null, options, [1]);
        AssertIs(await Assert.ThrowsAsync<RpcException>(() => ask.ResponseAsync.WaitAsync(s_patience)));

        using var watch = call.AsyncServerStreamingCall(Chat.WatchMethod, null, options, [1]);
        _chat.Next.Release();
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        AssertIs(await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience)));

        // No head before the status: trailers alone.
        using var nothing = call.AsyncServerStreamingCall(Chat.WatchMethod, null, options, [0]);
        AssertIs(await Assert.ThrowsAsync<RpcException>(() => nothing.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience)));

        using var unknown = call.AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, "test.Chat", "Nothing", Chat.AskMethod.RequestMarshaller, Chat.AskMethod.ResponseMarshaller), null, Options(), []);
        var missing = await Assert.ThrowsAsync<RpcException>(() => unknown.ResponseAsync.WaitAsync(s_patience));
        Assert.Equal(StatusCode.Unimplemented, missing.StatusCode);
        await _mesh.LoggedAsync("/test.Chat/Nothing");
        Assert.Contains($"grpc_response_status=\"{(int)status}\"", _mesh.Scrape, StringComparison.Ordinal);

        void AssertIs(RpcException thrown)
        {
            Assert.Equal(status, thrown.StatusCode);
            Assert.Equal("not today: ü%\n", thrown.Status.Detail);
            Assert.Equal("last", thrown.Trailers.GetValue("x-tail"));
            Assert.Equal([9, 8, 7], thrown.Trailers.GetValueBytes("x-why-bin"));
        }
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task Deadline_IsKnownToTheServer_AndEndsTheCallOnBothSides(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        var deadline = TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(3);
        using var talk = call.AsyncDuplexStreamingCall(Chat.TalkMethod, null, Options().WithDeadline(deadline));
        await talk.RequestStream.WriteAsync([1]).WaitAsync(s_patience);
        Assert.True(await talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        var thrown = await Assert.ThrowsAsync<RpcException>(() => talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        Assert.Equal(StatusCode.DeadlineExceeded, thrown.StatusCode);

        // grpc-timeout tells how much is left: the server's own is as late, less the way of the head.
        Assert.InRange(await _chat.Cancelled.Task.WaitAsync(s_patience), deadline.AddSeconds(-1), deadline.AddSeconds(30));
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task Cancellation_ByTheClient_ReachesTheServer_AndOtherCallsGoOn(Entrance entrance)
    {
        var call = (await OpenAsync(entrance))("sleep");
        using var other = call.AsyncServerStreamingCall(Chat.WatchMethod, null, Options(), [2]);
        using (var talk = call.AsyncDuplexStreamingCall(Chat.TalkMethod, null, Options()))
        {
            await talk.RequestStream.WriteAsync([1]).WaitAsync(s_patience);
            Assert.True(await talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        }

        await _chat.Cancelled.Task.WaitAsync(s_patience);
        _chat.Next.Release(2);
        Assert.True(await other.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        Assert.True(await other.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        Assert.False(await other.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        await _mesh.LoggedAsync("flags=\"DC\"");
    }

    [Fact]
    public async Task Policy_OfThePrincipal_LetsOneCallerTalkAndRefusesTheOther()
    {
        var call = await OpenAsync(Entrance.Waypoint);
        _mesh.SetPolicy("friends", "web", ["cluster.local/ns/app/sa/sleep"], []);
        using var stranger = call("notsleep").AsyncDuplexStreamingCall(Chat.TalkMethod, null, Options());
        var refused = await Assert.ThrowsAsync<RpcException>(() => stranger.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Equal("RBAC: access denied", refused.Status.Detail);
        Assert.Empty(_pod!.Requests);

        using var talk = call("sleep").AsyncDuplexStreamingCall(Chat.TalkMethod, null, Options());
        await EchoAsync();
        _mesh.SetPolicy("friends", "web", ["cluster.local/ns/app/sa/sleep", "cluster.local/ns/app/sa/other"], []);
        await EchoAsync();

        // What is open is asked again.
        _mesh.SetPolicy("friends", "web", ["cluster.local/ns/app/sa/notsleep"], []);
        await Assert.ThrowsAsync<RpcException>(() => talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
        await _chat.Cancelled.Task.WaitAsync(s_patience);

        async Task EchoAsync()
        {
            await talk.RequestStream.WriteAsync([1, 2]).WaitAsync(s_patience);
            Assert.True(await talk.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            Assert.Equal([1, 2], talk.ResponseStream.Current);
        }
    }

    private static CallOptions Options(params (string Name, object Value)[] metadata)
    {
        var all = new Metadata();
        foreach (var (name, value) in metadata)
        {
            all.Add(value is byte[] bytes ? new Metadata.Entry(name, bytes) : new Metadata.Entry(name, (string)value));
        }

        return new CallOptions(all);
    }

    private async Task<Func<string, CallInvoker>> OpenAsync(Entrance entrance)
    {
        var way = await Way.OpenAsync(_mesh, entrance, 90, app => app.MapGrpcService<Chat>(), services =>
        {
            services.AddGrpc();
            services.AddSingleton(_chat);
        });
        _pod = way.Pod;
        return account =>
        {
            var client = way.Client(account, HttpVersion.Version20);
            var channel = GrpcChannel.ForAddress(client.BaseAddress!, new GrpcChannelOptions { HttpClient = client, DisposeHttpClient = true });
            _owned.Add(channel);
            return channel.CreateCallInvoker();
        };
    }
}
