namespace Ambient.Hbone.Http2;

/// <summary>
/// When to send a PING, and when to give a silent peer up (RFC 9113 section 6.7). Every member is called under the connection's lock.
/// </summary>
internal sealed class KeepAlive(Http2ConnectionOptions options, TimeProvider time)
{
    private long _since = time.GetTimestamp();
    private bool _outstanding;
    private ulong _data;

    /// <summary>Time has passed.</summary>
    /// <param name="ping">What to send, when it is time for a PING.</param>
    /// <param name="silent">Whether the peer has not answered the last one in time.</param>
    public void Tick(out ulong? ping, out bool silent)
    {
        ping = null;
        silent = false;
        var elapsed = time.GetElapsedTime(_since);
        if (_outstanding)
        {
            silent = elapsed >= options.PingTimeout;
        }
        else if (elapsed >= options.PingInterval)
        {
            _outstanding = true;
            _since = time.GetTimestamp();
            ping = _data = (ulong)Random.Shared.NextInt64();
        }
    }

    /// <summary>A PING was acknowledged.</summary>
    /// <returns>Whether it was ours.</returns>
    public bool OnAck(ulong data)
    {
        if (!_outstanding || data != _data)
        {
            return false;
        }

        _outstanding = false;
        _since = time.GetTimestamp();
        return true;
    }
}
