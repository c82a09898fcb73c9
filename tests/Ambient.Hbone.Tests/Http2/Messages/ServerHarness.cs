using System.Threading.Channels;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Testing.Http2;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our server at one end of an in-memory pair, a <see cref="RudePeer"/> at the other, and a clock that stands still.</summary>
internal sealed class ServerHarness : IAsyncDisposable
{
    private readonly Channel<Call> _calls = Channel.CreateUnbounded<Call>();
    private readonly Task _serving;

    private ServerHarness(MessageServerOptions? options, Func<ServerExchange, ValueTask>? handle, long capacity, Func<Stream, Stream>? wrap)
    {
        var (ours, theirs) = MemoryDuplexStream.Create(capacity);
        Wire = theirs;
        Peer = new RudePeer(theirs, isClient: true);
        Handler = new ScriptedHandler(handle ?? HandAsync);
        Server = new MessageServer(Handler, options ?? new MessageServerOptions(), Time);
        _serving = Server.ServeAsync(MessageChannel.Over(wrap?.Invoke(ours) ?? ours), "state", HttpProtocolVersion.Http2, CancellationToken.None);
    }

    public FakeTimeProvider Time { get; } = new();

    public MemoryDuplexStream Wire { get; }

    public RudePeer Peer { get; }

    public ScriptedHandler Handler { get; }

    public MessageServer Server { get; }

    /// <summary>Completes when the connection has ended.</summary>
    public Task Serving => _serving;

    /// <summary>Our side runs; nothing has been said yet.</summary>
    public static ServerHarness Start(
        MessageServerOptions? options = null, Func<ServerExchange, ValueTask>? handle = null, long capacity = 0, Func<Stream, Stream>? wrap = null) => new(options, handle, capacity, wrap);

    /// <summary>Both sides have said what comes first.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="handle">Handler; null: each request is handed to <see cref="NextAsync"/>.</param>
    /// <param name="settings">The peer's.</param>
    public static async Task<ServerHarness> StartAsync(MessageServerOptions? options = null, Func<ServerExchange, ValueTask>? handle = null, params (SettingId, uint)[] settings)
    {
        var harness = Start(options, handle);
        await harness.Peer.HandshakeAsync(settings);
        return harness;
    }

    public static (string, string)[] Get(string target = "/", params (string, string)[] more) =>
        [(":method", "GET"), (":scheme", "http"), (":authority", "server.test"), (":path", target), .. more];

    public static (string, string)[] Post(params (string, string)[] more) =>
        [(":method", "POST"), (":scheme", "http"), (":authority", "server.test"), (":path", "/"), .. more];

    /// <summary>The next request; its handler goes on until <see cref="Call.Done"/>.</summary>
    public Task<Call> NextAsync() => _calls.Reader.ReadAsync().AsTask().WaitAsync(MessageText.Patience);

    /// <summary>Whether a request was handed on and not taken.</summary>
    public bool HasCall => _calls.Reader.TryPeek(out _);

    /// <summary>The peer sends a stream's window, as it is by default.</summary>
    public async Task SendWindowAsync(int streamId)
    {
        for (var i = 0; i < 4; i++)
        {
            await Peer.SendDataAsync(streamId, new byte[65_536]);
        }
    }

    /// <summary>Reads on to a GOAWAY with the code, and to the end of the connection, which leaves its last words a moment.</summary>
    public async Task ExpectGoAwayAsync(Http2ErrorCode code)
    {
        Assert.Equal(code, (await Peer.ExpectAsync(FrameType.GoAway)).Code);
        await EndAsync();
    }

    /// <summary>The connection ends, once its last words have had their moment.</summary>
    public async Task EndAsync()
    {
        for (var i = 0; i < 3000 && !Serving.IsCompleted; i++)
        {
            await Task.Delay(10);
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        await Serving.WaitAsync(MessageText.Patience);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await _serving.WaitAsync(MessageText.Patience);
        await Peer.DisposeAsync();
        while (_calls.Reader.TryRead(out var call))
        {
            call.Done();
        }
    }

    private async ValueTask HandAsync(ServerExchange exchange)
    {
        var call = new Call(exchange);
        await _calls.Writer.WriteAsync(call);
        await call.Ended;
    }

    /// <summary>A request whose handler waits for the test.</summary>
    public sealed class Call(ServerExchange exchange)
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ServerExchange Exchange => exchange;

        public RequestHead Request => exchange.Request;

        public Task Ended => _ended.Task;

        public void Done() => _ended.TrySetResult();
    }
}
