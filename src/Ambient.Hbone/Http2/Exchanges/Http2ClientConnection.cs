using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>A connection whose streams are requests to a server (RFC 9113 section 8).</summary>
internal sealed class Http2ClientConnection : MessageClientConnection, IStreamUse
{
    // Exchanges kept for the next requests; a connection that idles keeps none.
    private const int MaxKept = 32;

    // Streams that are opened before the server's SETTINGS say how many may be: what RFC 9113 section 6.5.2 asks servers to grant at least.
    private const int FirstStreams = 100;

    private readonly MessageClientOptions _options;
    private readonly MessageHeaderReader _headers;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Stack<Http2ClientExchange> _kept = new();
    private int _active;
    private bool _wasActive;

    /// <param name="channel">What the connection travels on; owned from here.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">Clock.</param>
    public Http2ClientConnection(MessageChannel channel, MessageClientOptions options, TimeProvider time)
    {
        _options = options;
        _headers = new MessageHeaderReader(options.MaxHeadSize, options.MaxFields);
        Http2 = new Http2Connection(new ChannelTransport(channel), MessageConnectionOptions.Of(options), isServer: false, this, time)
        {
            StreamEnded = static stream => (stream.Owner as MessageStream)?.OnOver(),
        };
        Http2.Start();
        _timer = time.CreateTimer(static connection => ((Http2ClientConnection)connection!).Tick(), this, MessageConnectionOptions.TickOf(options), MessageConnectionOptions.TickOf(options));
        if (Http2.Completion.IsCompleted)
        {
            _timer.Dispose();
        }
    }

    /// <summary>The connection itself.</summary>
    public Http2Connection Http2 { get; }

    public override bool IsUsable => Http2.CanOpen;

    public override int Active => Volatile.Read(ref _active);

    public int StreamWork => 64;

    /// <summary>Interim heads that a response may have.</summary>
    public int MaxInterimHeads => _options.MaxInterimHeads;

    /// <summary>Bytes that they may have together.</summary>
    public int MaxInterimSize => _options.MaxHeadSize;

    public override bool TryBegin([NotNullWhen(true)] out ClientExchange? exchange)
    {
        exchange = null;
        var limit = Http2.StreamLimit;
        if (!Http2.CanOpen)
        {
            return false;
        }

        lock (_gate)
        {
            if (_active >= (Http2.SettingsReceived.IsCompleted ? limit : Math.Min(limit, FirstStreams)))
            {
                return false;
            }

            _active++;
            _wasActive = true;
            exchange = _kept.TryPop(out var kept) ? kept.Renew() : new Http2ClientExchange(this);
        }

        return true;
    }

    public override async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync().ConfigureAwait(false);
        await Http2.DisposeAsync().ConfigureAwait(false);
    }

    public void ReadRequest(int streamId, ReadOnlySpan<byte> block, bool endStream) => throw new InvalidOperationException("a client receives no requests");

    public void OnStream(Http2Stream stream) => throw new InvalidOperationException("a client receives no requests");

    public bool OnResponse(Http2Stream stream, ReadOnlySpan<byte> block, bool endStream)
    {
        if (stream.Owner is MessageStream { Owner: Http2ClientExchange exchange })
        {
            return exchange.OnResponse(_headers, block, endStream);
        }

        _headers.Skip(block);
        return true;
    }

    public void OnTrailers(Http2Stream stream, ReadOnlySpan<byte> block)
    {
        if (stream.Owner is MessageStream bodies)
        {
            _headers.ReadTrailers(stream.Id, block, bodies.Trailers);
        }
        else
        {
            _headers.Skip(block);
        }
    }

    public void Skip(ReadOnlySpan<byte> block) => _headers.Skip(block);

    public void OnRoomChanged() => OnChanged?.Invoke(this);

    /// <summary>An exchange has ended: its place is free.</summary>
    /// <param name="unused">It, where nothing refers to it any more.</param>
    public void Release(Http2ClientExchange? unused)
    {
        lock (_gate)
        {
            _active--;
            KeepNeedsLock(unused);
        }

        OnChanged?.Invoke(this);
    }

    /// <summary>An exchange has ended in order, and nothing refers to it any more.</summary>
    public void Keep(Http2ClientExchange exchange)
    {
        lock (_gate)
        {
            KeepNeedsLock(exchange);
        }
    }

    private void KeepNeedsLock(Http2ClientExchange? exchange)
    {
        if (exchange is not null && _kept.Count < MaxKept)
        {
            _kept.Push(exchange);
        }
    }

    private void Tick()
    {
        if (Http2.Completion.IsCompleted)
        {
            _timer.Dispose();
            return;
        }

        Http2.Tick();
        lock (_gate)
        {
            if (_active == 0 && !_wasActive)
            {
                _kept.Clear();
            }

            _wasActive = _active > 0;
        }
    }
}
