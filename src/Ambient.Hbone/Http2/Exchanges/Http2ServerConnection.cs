using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>A connection whose streams are requests to a <see cref="MessageServer"/> (RFC 9113 section 8).</summary>
#pragma warning disable CA1001 // The connection disposes of itself when it has ended, which RunAsync waits for.
internal sealed class Http2ServerConnection : IServedConnection, IStreamUse
#pragma warning restore CA1001
{
    // Exchanges kept for the next requests; a connection that idles keeps none.
    private const int MaxKept = 32;

    private readonly ServerSettings _server;
    private readonly object? _state;
    private readonly MessageHeaderReader _headers;
    private readonly Http2Connection _http2;
    private readonly Lock _gate = new();
    private readonly Stack<Http2ServerExchange> _kept = new();
    private readonly long _begun;
    private readonly List<Http2Stream> _checked = [];
    private Http2ServerExchange? _next;
    private long _requests;
    private long _requestsSeen;
    private long _idleSince;
    private volatile bool _leading;
    private bool _leadsNext;

    /// <param name="server">Whose handler answers.</param>
    /// <param name="channel">What the connection travels on; owned from here.</param>
    /// <param name="state">See <see cref="ServerExchange.ConnectionState"/>.</param>
    public Http2ServerConnection(ServerSettings server, MessageChannel channel, object? state)
    {
        _server = server;
        _state = state;
        _headers = new MessageHeaderReader(server.Options.MaxHeadSize, server.Options.MaxFields);
        _http2 = new Http2Connection(new ChannelTransport(channel), MessageConnectionOptions.Of(server.Options), isServer: true, this, server.Time)
        {
            StreamEnded = static stream => (stream.Owner as MessageStream)?.OnOver(),
        };
        _begun = _idleSince = server.Time.GetTimestamp();
    }

    public IMessageHandler Handler => _server.Handler;

    /// <summary>A turn of the read loop has room for 32 requests.</summary>
    public int StreamWork => 64;

    public async Task RunAsync()
    {
        _http2.Start();
        await _http2.Completion.ConfigureAwait(false);
    }

    // A client that has not said its settings yet would be told that none of its requests is taken: it is told with its first request, for which it made
    // the connection, or by the timer where none comes.
    public void LeadOn()
    {
        _leading = true;
        if (_http2.SettingsReceived.IsCompletedSuccessfully)
        {
            _http2.ShutDown();
        }
    }

    public void Drain() => _http2.ShutDown();

    public void Abort() => _http2.Abort(null);

    public void CheckTime(long now)
    {
        _http2.Tick();
        var time = _server.Time;
        var headSince = _http2.PartialSince;
        if ((headSince != 0 && time.GetElapsedTime(headSince, now) >= _server.Options.HeadTimeout)
            || (!_http2.SettingsReceived.IsCompleted && time.GetElapsedTime(_begun, now) >= _server.Options.HeadTimeout))
        {
            _http2.Abort(new TimeoutException($"the client has not sent the rest of a head for {_server.Options.HeadTimeout.TotalSeconds:0.#} s"));
            return;
        }

        if (_leading && _http2.SettingsReceived.IsCompletedSuccessfully)
        {
            if (_leadsNext)
            {
                _http2.ShutDown();
            }

            // A request may be right behind the settings.
            _leadsNext = true;
        }

        var requests = Interlocked.Read(ref _requests);
        var isOpen = _http2.OpenStreams > 0;
        if (isOpen)
        {
            CheckStalls(now);
        }

        if (isOpen || requests != _requestsSeen)
        {
            _requestsSeen = requests;
            _idleSince = now;
            return;
        }

        lock (_gate)
        {
            _kept.Clear();
        }

        if (time.GetElapsedTime(_idleSince, now) >= _server.Options.IdleTimeout)
        {
            _http2.ShutDown();
        }
    }

    public void ReadRequest(int streamId, ReadOnlySpan<byte> block, bool endStream)
    {
        var exchange = _next ??= Take();
        try
        {
            _headers.ReadRequest(streamId, block, endStream, exchange.Request);
        }
        catch (Http2StreamException e)
        {
            Handler.OnRefused(new MessageRefusal(_state, e.StatusCode ?? 0, e.Message));
            throw;
        }
    }

    public void OnStream(Http2Stream stream)
    {
        var exchange = _next!;
        _next = null;
        _requests++;
        exchange.Begin(stream);
        if (_leading)
        {
            _http2.ShutDown();
        }
    }

    public bool IsUnbegun(Http2Stream stream) => stream.Owner is MessageStream { Owner: Http2ServerExchange { IsUnbegun: true } };

    public bool OnResponse(Http2Stream stream, ReadOnlySpan<byte> block, bool endStream) => throw new InvalidOperationException("a server receives no responses");

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

    public void OnRoomChanged()
    {
    }

    /// <summary>An exchange is over, and nothing refers to it any more.</summary>
    public void GiveBack(Http2ServerExchange exchange)
    {
        exchange.Clear();
        lock (_gate)
        {
            if (_kept.Count < MaxKept)
            {
                _kept.Push(exchange);
            }
        }
    }

    /// <summary>From the server's timer, which may call again before the last call is done.</summary>
    private void CheckStalls(long now)
    {
        lock (_checked)
        {
            _http2.CopyStreams(_checked);
            foreach (var stream in _checked)
            {
                if (stream.Owner is MessageStream { Owner: Http2ServerExchange exchange })
                {
                    exchange.CheckStall(now, _server);
                }
            }

            _checked.Clear();
        }
    }

    private Http2ServerExchange Take()
    {
        lock (_gate)
        {
            if (_kept.TryPop(out var kept))
            {
                return kept;
            }
        }

        return new Http2ServerExchange(this) { ConnectionState = _state };
    }
}
