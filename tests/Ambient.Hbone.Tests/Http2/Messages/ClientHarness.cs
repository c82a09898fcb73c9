using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Testing.Http2;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client at one end of an in-memory pair, a <see cref="RudePeer"/> as the server at the other, and a clock that stands still.</summary>
internal sealed class ClientHarness : IAsyncDisposable
{
    private ClientHarness(MessageClientOptions? options, Func<Stream, Stream>? wrap, long capacity)
    {
        var (ours, theirs) = MemoryDuplexStream.Create(capacity);
        Wire = theirs;
        Peer = new RudePeer(theirs, isClient: false);
        Client = MessageClient.Open(MessageChannel.Over(wrap?.Invoke(ours) ?? ours), HttpProtocolVersion.Http2, options ?? new MessageClientOptions(), Time);
        Client.OnChanged = _ => Interlocked.Increment(ref _changes);
    }

    private int _changes;

    public FakeTimeProvider Time { get; } = new();

    public MemoryDuplexStream Wire { get; }

    public RudePeer Peer { get; }

    public MessageClientConnection Client { get; }

    /// <summary>How often the client said that its room has changed.</summary>
    public int Changes => Volatile.Read(ref _changes);

    public static ClientHarness Start(MessageClientOptions? options = null, Func<Stream, Stream>? wrap = null, long capacity = 0) => new(options, wrap, capacity);

    /// <summary>Both sides have said what comes first, and our side has seen it.</summary>
    public static async Task<ClientHarness> StartAsync(MessageClientOptions? options = null, params (SettingId, uint)[] settings)
    {
        var harness = Start(options);
        await harness.Peer.HandshakeAsync(settings);
        await harness.Peer.SettleAsync();
        return harness;
    }

    public ClientExchange Begin()
    {
        Assert.True(Client.TryBegin(out var exchange));
        return exchange;
    }

    /// <summary>A GET that has reached the server.</summary>
    public async Task<ClientExchange> GetAsync(int streamId, string target = "/")
    {
        var exchange = Begin();
        await exchange.SendHeadAsync(MessageText.Get(target), end: true);
        Assert.True((await Peer.ExpectHeadersAsync(streamId)).EndStream);
        return exchange;
    }

    /// <summary>A POST whose head has reached the server.</summary>
    public async Task<ClientExchange> PostAsync(int streamId, long? length = null)
    {
        var exchange = Begin();
        await exchange.SendHeadAsync(MessageText.Post(length), end: false);
        await exchange.FlushAsync();
        Assert.False((await Peer.ExpectHeadersAsync(streamId)).EndStream);
        return exchange;
    }

    /// <summary>A GET whose answer, a stream's window of bytes by default, nobody has read.</summary>
    public async Task<ClientExchange> AnswerWithAWindowAsync(int streamId)
    {
        var exchange = await GetAsync(streamId);
        await Peer.SendHeadersAsync(streamId, false, (":status", "200"));
        for (var i = 0; i < 4; i++)
        {
            await Peer.SendDataAsync(streamId, new byte[65_536]);
        }

        return exchange;
    }

    public async ValueTask DisposeAsync()
    {
        // The clock stands still: the connection ends when the peer hangs up, not after its last words' moment.
        var closing = Client.DisposeAsync().AsTask();
        await Peer.DisposeAsync();
        for (var i = 0; i < 3000 && !closing.IsCompleted; i++)
        {
            await Task.Delay(5);
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        await closing.WaitAsync(MessageText.Patience);
    }
}

/// <summary>Short forms for the client's side.</summary>
internal static class ClientText
{
    public static Task<ResponseHead> HeadAsync(this ClientExchange exchange) => exchange.ReceiveHeadAsync().AsTask().WaitAsync(MessageText.Patience);

    public static async Task<MessageException> FailureAsync(this Task task) => await Assert.ThrowsAsync<MessageException>(() => task.WaitAsync(MessageText.Patience));
}
