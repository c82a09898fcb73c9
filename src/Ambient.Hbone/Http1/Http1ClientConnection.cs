using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http1;

/// <summary>A connection to a server of HTTP/1.1 (RFC 9112): one request at a time, and another only when nothing is left of the one before.</summary>
internal sealed class Http1ClientConnection : MessageClientConnection, IHangUpWatcher
{
    private const int Free = 0;
    private const int Busy = 1;
    private const int Closed = 2;

    private readonly MessageChannel _channel;
    private readonly Http1Wire _wire;
    private readonly Http1ClientExchange _exchange;
    private volatile bool _hungUp;
    private int _state;

    public Http1ClientConnection(MessageChannel channel, MessageClientOptions options)
    {
        _channel = channel;
        _wire = new Http1Wire(channel, options.MaxHeadSize, options.MaxFields, isServer: false);
        _exchange = new Http1ClientExchange(this, _wire, options);
        channel.Bytes.Watch(this);
    }

    public override bool IsUsable => Volatile.Read(ref _state) != Closed && !_hungUp;

    public override int Active => Volatile.Read(ref _state) == Busy ? 1 : 0;

    public override bool TryBegin([NotNullWhen(true)] out ClientExchange? exchange)
    {
        exchange = null;
        if (_hungUp || Interlocked.CompareExchange(ref _state, Busy, Free) != Free)
        {
            return false;
        }

        // An answer to nothing: whatever comes next would be taken for the wrong request's (RFC 9112 section 9.2).
        if (HasUnaskedBytes())
        {
            // Who asks learns of it by the answer, and may hold a lock that OnChanged wants.
            Volatile.Write(ref _state, Closed);
            Release();
            return false;
        }

        _exchange.Begin();
        exchange = _exchange;
        return true;
    }

    /// <summary>The exchange is over.</summary>
    public void End(bool reusable)
    {
        if (reusable && !_hungUp && _wire.In.Available.IsEmpty)
        {
            _wire.Release();
            Interlocked.CompareExchange(ref _state, Free, Busy);
            if (_hungUp)
            {
                // It ended in between, when nobody looked after it.
                CloseIfFree();
            }
            else
            {
                OnChanged?.Invoke(this);
            }
        }
        else
        {
            Close();
        }
    }

    /// <summary>Ends our direction, for another protocol that has ended.</summary>
    public void EndSending() => _channel.Bytes.ShutdownSend();

    public void OnHangUp()
    {
        _hungUp = true;
        CloseIfFree();
    }

    public override ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref _state) == Busy)
        {
            // Whoever uses it sees it break, and closes it.
            _wire.Break(MessageFault.Aborted, "the connection was closed here");
            return default;
        }

        _hungUp = true;
        CloseIfFree();
        return default;
    }

    private bool HasUnaskedBytes()
    {
        try
        {
            return _wire.In.TryFill() || _wire.In.HasEnded;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            return true;
        }
    }

    private void CloseIfFree()
    {
        if (Interlocked.CompareExchange(ref _state, Closed, Free) == Free)
        {
            Release();
            OnChanged?.Invoke(this);
        }
    }

    private void Close()
    {
        if (Interlocked.Exchange(ref _state, Closed) != Closed)
        {
            Release();
            OnChanged?.Invoke(this);
        }
    }

    private void Release()
    {
        _channel.Bytes.Watch(null);
        if (_wire.Fault == MessageFault.None)
        {
            _channel.Bytes.ShutdownSend();
        }

        _wire.Release();
        _channel.Close();
    }
}
