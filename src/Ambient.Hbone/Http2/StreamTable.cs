using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2;

/// <summary>
/// The streams of a connection: which are open, which numbers have been used, and which we reset a moment ago. Every member is
/// called under the connection's lock.
/// </summary>
internal sealed class StreamTable(bool isServer)
{
    /// <summary>Resets of ours that are remembered: more than end within one round trip at thousands a second.</summary>
    private const int MaxRemembered = 1024;

    private readonly Dictionary<int, Http2Stream> _open = [];
    private int[] _reset = [];
    private int _resetCount;
    private int _nextReset;

    /// <summary>Streams that are open.</summary>
    public int Count => _open.Count;

    /// <summary>The streams that are open.</summary>
    public IReadOnlyCollection<Http2Stream> Open => _open.Values;

    /// <summary>The number of the next stream that we open; negative once they are used up.</summary>
    public int NextId { get; private set; } = 1;

    /// <summary>The highest stream that the peer has opened.</summary>
    public int LastPeerId { get; private set; }

    public Http2Stream? Find(int id) => _open.GetValueOrDefault(id);

    /// <summary>Takes the next number of ours.</summary>
    public int TakeId()
    {
        var id = NextId;
        NextId += 2;
        return id;
    }

    public void Add(Http2Stream stream) => _open.Add(stream.Id, stream);

    public void Remove(Http2Stream stream) => _open.Remove(stream.Id);

    /// <summary>We reset a stream that the peer has not ended: what it sent before it knows is still on its way.</summary>
    public void RememberReset(int id)
    {
        if (!isServer || WasReset(id))
        {
            // A client reads nothing into late frames: the peer opens no streams, so there is nothing to mistake them for.
            return;
        }

        if (_resetCount == _reset.Length && _resetCount < MaxRemembered)
        {
            Array.Resize(ref _reset, Math.Max(4, _resetCount * 2));
            _nextReset = _resetCount;
        }

        _reset[_nextReset] = id;
        _nextReset = (_nextReset + 1) % _reset.Length;
        _resetCount = Math.Min(_resetCount + 1, _reset.Length);
    }

    /// <summary>Whether we reset the stream a moment ago.</summary>
    public bool WasReset(int id) => _reset.AsSpan(0, _resetCount).Contains(id);

    /// <summary>Server, read loop: whether the number is the client's to use and higher than those it has used.</summary>
    public bool IsNext(int id) => (id & 1) != 0 && id > LastPeerId;

    /// <summary>The peer opens a stream, or sends HEADERS on one that is over.</summary>
    /// <returns>Whether it opens one; otherwise the block is late, and to be discarded (RFC 9113 section 5.1).</returns>
    /// <exception cref="Http2ConnectionException">The number is not the peer's to use, or was used before.</exception>
    public bool OpensByPeer(int id)
    {
        if (!isServer)
        {
            CheckNotIdle(id);
            return false;
        }

        if ((id & 1) == 0)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a client opened stream {id}, which is a server's number");
        }

        if (id > LastPeerId)
        {
            LastPeerId = id;
            return true;
        }

        return WasReset(id) ? false : throw new Http2ConnectionException(Http2ErrorCode.StreamClosed, $"HEADERS on stream {id}, which is closed");
    }

    /// <summary>A frame for a stream that is not open: it is late, unless the stream never was.</summary>
    /// <exception cref="Http2ConnectionException">The stream is idle (RFC 9113 section 5.1).</exception>
    public void CheckNotIdle(int id)
    {
        if (IsIdle(id))
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a frame for stream {id}, which is idle");
        }
    }

    /// <summary>Whether nobody has opened a stream yet, or ever can.</summary>
    public bool IsIdle(int id) => (id & 1) == 0 || (isServer ? id > LastPeerId : id >= NextId);
}
