using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2;

/// <summary>
/// Flow control (RFC 9113 sections 5.2 and 6.9): the connection's two windows, and the arithmetic of its streams' windows.
/// Every member is called under the connection's lock.
/// </summary>
internal sealed class ConnectionWindows(Http2ConnectionOptions options)
{
    private int _receive = Http2Constants.DefaultWindowSize;
    private int _creditToReturn;

    /// <summary>Bytes that we may send, on all streams together.</summary>
    public int Send { get; private set; } = Http2Constants.DefaultWindowSize;

    /// <summary>Raises the window that we grant from the protocol's default to the configured size.</summary>
    /// <returns>The increment to announce with the preface; 0 for none.</returns>
    public int RaiseToConfigured()
    {
        var more = Math.Max(0, options.ConnectionWindowSize - Http2Constants.DefaultWindowSize);
        _receive += more;
        return more;
    }

    /// <summary>Bytes are about to be sent on a stream.</summary>
    public void Spend(Http2Stream stream, int bytes)
    {
        Send -= bytes;
        stream.SendWindow -= bytes;
    }

    /// <summary>A DATA frame came. All of its payload counts, padding included.</summary>
    /// <exception cref="Http2ConnectionException">It is larger than the window.</exception>
    public void Receive(in FrameHeader header)
    {
        if (header.Length > _receive)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"{header}: the connection's window has {_receive} bytes left");
        }

        _receive -= header.Length;
    }

    /// <summary>Bytes were consumed, or nobody will consume them. Updates are few: one for each half of the window.</summary>
    /// <returns>The increment to announce for the connection; 0 for none yet.</returns>
    public int Return(int bytes)
    {
        _creditToReturn += bytes;
        if (_creditToReturn < options.ConnectionWindowSize / 2)
        {
            return 0;
        }

        var increment = _creditToReturn;
        _receive += increment;
        _creditToReturn = 0;
        return increment;
    }

    /// <summary>Bytes of a stream that goes on were consumed.</summary>
    /// <returns>The increment to announce for the stream; 0 for none yet.</returns>
    public int Return(Http2Stream stream, int bytes)
    {
        stream.CreditToReturn += bytes;
        if (stream.CreditToReturn < options.StreamWindowSize / 2)
        {
            return 0;
        }

        var increment = stream.CreditToReturn;
        stream.ReceiveWindow += increment;
        stream.CreditToReturn = 0;
        return increment;
    }

    /// <summary>WINDOW_UPDATE for the connection.</summary>
    /// <exception cref="Http2ConnectionException">The window overflows (section 6.9.1).</exception>
    public void Widen(in FrameHeader header, int increment)
    {
        if (Send > Http2Constants.MaxWindowSize - increment)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"{header}: the connection's window overflows");
        }

        Send += increment;
    }

    /// <summary>WINDOW_UPDATE for a stream.</summary>
    /// <exception cref="Http2StreamException">The window overflows (section 6.9.1).</exception>
    public static void Widen(Http2Stream stream, in FrameHeader header, int increment)
    {
        if (stream.SendWindow > 0 && stream.SendWindow > Http2Constants.MaxWindowSize - increment)
        {
            throw new Http2StreamException(header.StreamId, Http2ErrorCode.FlowControlError, $"{header}: the stream's window overflows");
        }

        stream.SendWindow += increment;
    }

    /// <summary>SETTINGS_INITIAL_WINDOW_SIZE has changed: the windows of open streams change with it (section 6.9.2).</summary>
    /// <exception cref="Http2ConnectionException">A window overflows.</exception>
    public static void Shift(Http2Stream stream, int change)
    {
        if ((long)stream.SendWindow + change > Http2Constants.MaxWindowSize)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"SETTINGS make the window of stream {stream.Id} overflow");
        }

        stream.SendWindow += change;
    }
}
