using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// One connection of a client of HTTP/1.1 (RFC 9112): a head is read, its request handled, and only then the next one is looked at, so that what is
/// pipelined is answered in order and waits where it is.
/// </summary>
internal sealed class Http1ServerConnection : IServedConnection, IHangUpWatcher
{
    // What a client may still have under way when its answer is complete. Beyond it the connection is cut: it would go on for ever.
    private const int MostLinger = 256 * 1024;
    private const int UpgradeRequired = 426;
    private static readonly TimeSpan s_longestLinger = TimeSpan.FromSeconds(2);

    private readonly ServerSettings _server;
    private readonly MessageChannel _channel;
    private readonly Http1RequestParser _parser;
    private readonly Http1Wire _wire;
    private readonly Http1ServerExchange _exchange;
    private long _deadline = long.MaxValue;
    private long _headBegan;
    private volatile bool _leading;
    private volatile bool _draining;
    private volatile bool _closing;
    private volatile bool _idle;
    private volatile bool _hungUp;

    public Http1ServerConnection(ServerSettings server, MessageChannel channel, object? state)
    {
        _server = server;
        _channel = channel;
        _parser = new Http1RequestParser(server.Options.MaxHeadSize, server.Options.MaxFields);
        _wire = new Http1Wire(channel, server.Options.MaxHeadSize, server.Options.MaxFields, isServer: true);
        _exchange = new Http1ServerExchange(this, _wire) { ConnectionState = state };
    }

    /// <summary>Whether the answer to the request at hand is the last.</summary>
    public bool IsDraining => _draining || _leading;

    /// <summary>Bytes of a body that nobody wants, up to which they are read so that the connection can be kept.</summary>
    public const int MostDrained = 64 * 1024;

    public async Task RunAsync()
    {
        _channel.Bytes.Watch(this);
        try
        {
            while (true)
            {
                // Not in a method that is waited for: its state would be another one to be kept for each request.
                bool? hasRequest;
                while ((hasRequest = TryReadHead()) is null && MayWait())
                {
                    await WaitForMoreAsync().ConfigureAwait(false);
                    _idle = false;
                    _wire.ThrowIfBroken();
                }

                ClearDeadline();
                if (hasRequest != true)
                {
                    break;
                }

                if (_exchange.Request.Version == HttpProtocolVersion.Http10 && !_server.Options.AcceptHttp10)
                {
                    throw new Http1Exception(UpgradeRequired, "HTTP/1.0 is not served here");
                }

                _exchange.Begin(_parser.Framing);
                Exception? failure = null;
                try
                {
                    var handling = _server.Handler.HandleAsync(_exchange);
                    if (_hungUp && !handling.IsCompleted)
                    {
                        // It went while its request was still being read.
                        _exchange.OnHangUp();
                    }

                    await handling.ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    failure = e;
                }

                if (failure is not null || !_exchange.HasStarted)
                {
                    await AnswerForHandlerAsync(failure).ConfigureAwait(false);
                }

                if (_wire.TakeRefusal() is { } refusal)
                {
                    throw refusal;
                }

                _parser.Reset();
                if (!_exchange.Finish())
                {
                    break;
                }

                _exchange.Request.Clear();
            }

            if (_wire.Fault == MessageFault.None)
            {
                await CloseInOrderAsync().ConfigureAwait(false);
            }
        }
        catch (Http1Exception e)
        {
            ClearDeadline();
            await RefuseAsync(e.Status, e.Message).ConfigureAwait(false);
        }
        catch (Exception e) when (e is MessageException or SocketException or IOException or ObjectDisposedException)
        {
            // It ended, and nobody waited for anything.
            ClearDeadline();
        }
        finally
        {
            _channel.Bytes.Watch(null);
            _wire.Release();
        }
    }

    public void LeadOn() => _leading = true;

    public void Drain()
    {
        _draining = true;
        if (_idle)
        {
            _channel.Bytes.Wake();
        }
    }

    public void Abort() => _wire.Break(MessageFault.Aborted, "the server stops");

    public void CheckTime(long now)
    {
        _exchange.CheckStall(now, _server);
        if (now < Volatile.Read(ref _deadline))
        {
            return;
        }

        if (_closing)
        {
            // Whoever does not even read the last answer is not waited for.
            _wire.Break(MessageFault.TimedOut, "the client does not end the connection");
        }
        else
        {
            _channel.Bytes.Wake();
        }
    }

    public void OnHangUp()
    {
        _hungUp = true;
        _exchange.OnHangUp();
    }

    /// <summary>Ends our direction, for another protocol that has ended.</summary>
    public void EndSending() => _channel.Bytes.ShutdownSend();

    /// <summary>Reads on as far as it goes: whether there is a request; null: it goes on when more has come.</summary>
    /// <exception cref="Http1Exception">The head breaks the protocol, or a limit.</exception>
    private bool? TryReadHead()
    {
        var input = _wire.In;
        while (true)
        {
            var available = input.Available;
            if (!available.IsEmpty)
            {
                var complete = _parser.Parse(available, _exchange.Request, out var consumed);
                input.Consume(consumed);
                if (complete)
                {
                    return true;
                }
            }

            if (!input.TryFill())
            {
                return input.HasEnded ? false : null;
            }
        }
    }

    /// <summary>Whether more of a head, or the next one, is waited for, and how long.</summary>
    /// <exception cref="Http1Exception">It took too long.</exception>
    private bool MayWait()
    {
        var hasBegun = HasBegun;
        if (!hasBegun && _draining)
        {
            return false;
        }

        if (IsLate(hasBegun))
        {
            return hasBegun ? throw new Http1Exception(408, "the head took too long") : false;
        }

        SetDeadline(hasBegun);
        return true;
    }

    /// <summary>Waits until there may be more, once what is to be sent has left.</summary>
    private ValueTask WaitForMoreAsync()
    {
        var flush = _wire.FlushAsync();
        if (!flush.IsCompletedSuccessfully)
        {
            return FlushAndWaitAsync(flush);
        }

        flush.GetAwaiter().GetResult();
        return WaitAsync();
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask FlushAndWaitAsync(ValueTask flush)
    {
        await flush.ConfigureAwait(false);
        await WaitAsync().ConfigureAwait(false);
    }

    private ValueTask WaitAsync()
    {
        _idle = !HasBegun;
        return _idle && _draining ? default : _wire.In.WaitAsync();
    }

    /// <summary>Whether something of a head is there.</summary>
    private bool HasBegun => _parser.HasBegun || !_wire.In.Available.IsEmpty;

    /// <summary>No head is waited for.</summary>
    private void ClearDeadline()
    {
        Volatile.Write(ref _deadline, long.MaxValue);
        _headBegan = 0;
    }

    /// <summary>Whether the time that the last wait was given is over. It was woken for nothing when a head has begun since.</summary>
    private bool IsLate(bool hasBegun) => hasBegun == (_headBegan != 0) && _server.Time.GetTimestamp() >= _deadline;

    private void SetDeadline(bool hasBegun)
    {
        var now = _server.Time.GetTimestamp();
        if (hasBegun && _headBegan == 0)
        {
            _headBegan = now;
        }

        var (from, span) = hasBegun ? (_headBegan, _server.Options.HeadTimeout) : (now, _server.Options.IdleTimeout);
        Volatile.Write(ref _deadline, from + (long)(span.TotalSeconds * _server.Time.TimestampFrequency));
    }

    /// <summary>The handler has left without an answer, or has failed.</summary>
    private ValueTask AnswerForHandlerAsync(Exception? failure)
    {
        var status = _exchange.StatusWithoutAnswer;
        if (failure is not null && !(failure is MessageException e && (_wire.Fault != MessageFault.None || (e.Fault == MessageFault.TimedOut && _exchange.IsStalled))))
        {
            _server.Handler.OnFailed(_exchange, failure);
            status = 500;
        }

        // Where the exchange is over nobody is told, and the handler need not have caught that.
        return !_exchange.HasStarted && _wire.Fault == MessageFault.None ? AnswerAsync(status) : default;
    }

    private async ValueTask AnswerAsync(int status)
    {
        try
        {
            var head = _exchange.Response;
            head.Clear();
            head.Status = status;
            head.Upgrade = status == UpgradeRequired ? "HTTP/1.1" : null;
            await _exchange.SendHeadAsync(head, end: true).ConfigureAwait(false);
        }
        catch (MessageException)
        {
            // Nobody is there to be told.
        }
    }

    /// <summary>A head that cannot be a request: answered, and the connection closed, for nobody knows where the next one would begin.</summary>
    private async ValueTask RefuseAsync(int status, string reason)
    {
        _server.Handler.OnRefused(new MessageRefusal(_exchange.ConnectionState, status, reason));
        try
        {
            _exchange.Request.Version = HttpProtocolVersion.Http11;
            _exchange.Request.Method = "";
            _exchange.Begin(new Http1Framing(Http1BodyKind.None, 0, KeepAlive: false));
            await AnswerAsync(status).ConfigureAwait(false);
            _exchange.Finish();
            await CloseInOrderAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is MessageException or SocketException or IOException or ObjectDisposedException)
        {
            // It is gone already.
        }
    }

    /// <summary>
    /// Closes so that the last answer arrives: a socket that is closed over bytes nobody has read resets, and takes with it what was sent (RFC 9112
    /// section 9.6).
    /// </summary>
    private async ValueTask CloseInOrderAsync()
    {
        Volatile.Write(ref _deadline, _server.Time.GetTimestamp() + (long)(s_longestLinger.TotalSeconds * _server.Time.TimestampFrequency));
        _closing = true;
        await _wire.FlushAsync().ConfigureAwait(false);
        _channel.Bytes.ShutdownSend();
        var input = _wire.In;
        input.ReturnLent();
        for (var drained = 0; drained < MostLinger && _wire.Fault == MessageFault.None;)
        {
            drained += input.Available.Length;
            input.Consume(input.Available.Length);
            if (!input.TryFill())
            {
                if (input.HasEnded)
                {
                    return;
                }

                await input.WaitAsync().ConfigureAwait(false);
            }
        }
    }
}
