using System.Runtime.CompilerServices;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>
/// Counts what one peer sends against <see cref="Http2AbuseLimits"/>. Each method is called for the event it is named
/// after and throws <see cref="Http2ConnectionException"/> (ENHANCE_YOUR_CALM) when that was one too many. Belongs to
/// the connection's read loop: not thread-safe, except <see cref="CheckControlQueue"/>.
/// </summary>
internal sealed class Http2AbuseGuard
{
    /// <summary>DATA for a stream that is over counts as late below this; larger frames cost their sender enough.</summary>
    public const int LateData = 1024;

    private readonly Http2AbuseLimits _limits;
    private readonly TimeProvider _time;
    private readonly long _window;
    private readonly int _maxHeaderBlock;
    private Rate _resetsBeforeAnswer;
    private Rate _resets;
    private Rate _streamErrors;
    private Rate _settings;
    private Rate _pings;
    private Rate _emptyFrames;
    private Rate _ignoredFrames;
    private Rate _splinters;
    private Rate _lateFrames;
    private Rate _interimResponses;
    private long _windowUpdates;
    private long _tinyWindowUpdates;
    private int _continuations;

    /// <param name="limits">Limits.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="maxHeaderBlock">Bytes that a header block may have before decompression.</param>
    public Http2AbuseGuard(Http2AbuseLimits limits, TimeProvider timeProvider, int maxHeaderBlock)
    {
        _limits = limits;
        _time = timeProvider;
        _window = (long)(limits.Window.TotalSeconds * timeProvider.TimestampFrequency);
        _maxHeaderBlock = maxHeaderBlock;
    }

    /// <summary>The peer reset a stream with RST_STREAM.</summary>
    /// <param name="answered">Whether its response HEADERS had been sent (server) or received (client).</param>
    public void OnResetReceived(bool answered)
    {
        if (!answered)
        {
            Count(ref _resetsBeforeAnswer, _limits.ResetsBeforeAnswer, Http2Abuse.RapidReset);
        }

        Count(ref _resets, _limits.Resets, Http2Abuse.ResetFlood);
    }

    /// <summary>We reset or refuse a stream because of something that the peer did.</summary>
    public void OnStreamError() => Count(ref _streamErrors, _limits.StreamErrors, Http2Abuse.StreamErrorFlood);

    /// <summary>A SETTINGS frame without ACK came.</summary>
    public void OnSettings() => Count(ref _settings, _limits.Settings, Http2Abuse.SettingsFlood);

    /// <summary>A PING without ACK came.</summary>
    public void OnPing() => Count(ref _pings, _limits.Pings, Http2Abuse.PingFlood);

    /// <summary>A PRIORITY or unknown frame, or an unasked-for ACK, came.</summary>
    public void OnIgnoredFrame() => Count(ref _ignoredFrames, _limits.IgnoredFrames, Http2Abuse.IgnoredFrameFlood);

    /// <summary>A DATA frame came.</summary>
    /// <param name="length">Bytes of payload.</param>
    /// <param name="endStream">Whether it ends the stream.</param>
    /// <param name="splinter">Whether it continues what the same read brought for its stream.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void OnData(int length, bool endStream, bool splinter = false)
    {
        if (length < _limits.TinyData && !endStream)
        {
            OnTinyData(length, splinter);
        }
    }

    /// <summary>The padding of a DATA frame is known.</summary>
    /// <param name="dataLength">Bytes without padding.</param>
    /// <param name="endStream">Whether the frame ends the stream.</param>
    public void OnPadding(int dataLength, bool endStream)
    {
        if (dataLength == 0 && !endStream)
        {
            Count(ref _emptyFrames, _limits.EmptyFrames, Http2Abuse.EmptyFrameFlood);
        }
    }

    /// <summary>DATA of fewer than <see cref="LateData"/> bytes, HEADERS or WINDOW_UPDATE came for a stream that is over.</summary>
    public void OnLateFrame() => Count(ref _lateFrames, _limits.LateFrames, Http2Abuse.LateFrameFlood);

    /// <summary>An interim (1xx) response came.</summary>
    public void OnInterimResponse() => Count(ref _interimResponses, _limits.InterimResponses, Http2Abuse.InterimResponseFlood);

    /// <summary>A HEADERS frame came.</summary>
    /// <param name="blockLength">Bytes of header block in it.</param>
    public void OnHeaders(int blockLength)
    {
        _continuations = 0;
        if (blockLength == 0)
        {
            Count(ref _emptyFrames, _limits.EmptyFrames, Http2Abuse.EmptyFrameFlood);
        }

        CheckBlock(blockLength);
    }

    /// <summary>A CONTINUATION frame came.</summary>
    /// <param name="blockLength">Bytes of the header block so far, with it.</param>
    public void OnContinuation(int blockLength)
    {
        if (++_continuations > _limits.ContinuationsPerBlock)
        {
            throw Breach(Http2Abuse.ContinuationFlood, $"a header block in more than {_limits.ContinuationsPerBlock} CONTINUATION frames");
        }

        CheckBlock(blockLength);
    }

    /// <summary>A WINDOW_UPDATE came.</summary>
    /// <param name="increment">Its increment.</param>
    /// <param name="dataFramesSent">DATA frames that this connection has sent so far.</param>
    /// <param name="bytesSent">Bytes in them.</param>
    public void OnWindowUpdate(int increment, long dataFramesSent, long bytesSent)
    {
        // Earned by what we sent rather than by time: the peer returns credit for what it has consumed, and no more.
        if (++_windowUpdates - (dataFramesSent * _limits.TinyWindowUpdatesPerData) - (bytesSent / _limits.BytesPerWindowUpdate) > _limits.WindowUpdates)
        {
            throw Breach(Http2Abuse.NeedlessWindowUpdates, $"{_windowUpdates} WINDOW_UPDATE frames for {bytesSent} bytes in {dataFramesSent} DATA frames");
        }

        if (increment < _limits.TinyWindowUpdate)
        {
            OnTinyWindowUpdate(dataFramesSent);
        }
    }

    /// <summary>Whether <see cref="CheckControlQueue"/> would throw. Any thread.</summary>
    public bool IsControlQueueLong(int queued, int bytes) => bytes > _limits.QueuedControlBytes || queued > _limits.QueuedControlFrames;

    /// <summary>Control frames (answers that the peer provokes) wait to be sent.</summary>
    /// <param name="queued">How many.</param>
    /// <param name="bytes">Bytes of them.</param>
    public void CheckControlQueue(int queued, int bytes = 0)
    {
        if (bytes > _limits.QueuedControlBytes)
        {
            throw Breach(Http2Abuse.ControlQueueFull, $"more than {_limits.QueuedControlBytes} bytes of answers that the peer does not read");
        }

        if (queued > _limits.QueuedControlFrames)
        {
            throw Breach(Http2Abuse.ControlQueueFull, $"more than {_limits.QueuedControlFrames} answers that the peer does not read");
        }
    }

    private void OnTinyData(int length, bool splinter)
    {
        if (length == 0)
        {
            Count(ref _emptyFrames, _limits.EmptyFrames, Http2Abuse.EmptyFrameFlood);
        }
        else if (splinter)
        {
            Count(ref _splinters, _limits.Splinters, Http2Abuse.SplinterFlood);
        }
    }

    private void OnTinyWindowUpdate(long dataFramesSent)
    {
        // Earned by what we sent rather than by time: a peer that acknowledges each small DATA frame at once is honest
        // at any rate, and one that sends them for nothing is not at any.
        if (++_tinyWindowUpdates - (dataFramesSent * _limits.TinyWindowUpdatesPerData) > _limits.TinyWindowUpdates)
        {
            throw Breach(
                Http2Abuse.WindowUpdateFlood,
                $"{_tinyWindowUpdates} WINDOW_UPDATE frames of under {_limits.TinyWindowUpdate} bytes for {dataFramesSent} DATA frames");
        }
    }

    private void CheckBlock(int blockLength)
    {
        if (blockLength > _maxHeaderBlock)
        {
            throw Breach(Http2Abuse.HeaderBlockTooLarge, $"a header block of more than {_maxHeaderBlock} bytes");
        }
    }

    private void Count(ref Rate rate, int limit, Http2Abuse abuse)
    {
        var now = _time.GetTimestamp();
        if (rate.Count == 0 || now - rate.Since >= _window)
        {
            rate.Since = now;
            rate.Count = 0;
        }

        if (++rate.Count > limit)
        {
            throw Breach(abuse, $"more than {limit} such frames within {_limits.Window.TotalSeconds:0.#} s");
        }
    }

    private static Http2ConnectionException Breach(Http2Abuse abuse, string what) =>
        new(Http2ErrorCode.EnhanceYourCalm, $"{abuse}: {what}", abuse);

    private struct Rate
    {
        public long Since;
        public int Count;
    }
}
