namespace Ambient.Hbone.Http2;

/// <summary>
/// How far the end of a connection has been announced, by us and by the peer (RFC 9113 section 6.8). A server that drains says so
/// twice: first with the highest number there is, so that streams which are on their way are still served; and, once a PING has
/// made the round trip, with the last stream that it takes. Every member is called under the connection's lock,
/// but <see cref="MayOpen"/> by whoever asks for how it looks now.
/// </summary>
internal sealed class Farewell
{
    /// <summary>The last stream of the first GOAWAY: none is refused.</summary>
    public const int NoLimit = int.MaxValue;

    private ulong _ping;

    /// <summary>We sent a GOAWAY, first or last.</summary>
    public bool Announced { get; private set; }

    /// <summary>We sent the GOAWAY that says which stream is the last.</summary>
    public bool Final { get; private set; }

    /// <summary>The last stream that we take, once that was said.</summary>
    public int LastStreamId { get; private set; } = NoLimit;

    /// <summary>The peer sent a GOAWAY: nothing is opened any more.</summary>
    public bool Received { get; set; }

    /// <summary>Whether we may open streams.</summary>
    public bool MayOpen => !Announced && !Received;

    /// <summary>The first GOAWAY goes out, and a PING behind it.</summary>
    /// <returns>What the PING carries.</returns>
    public ulong Announce()
    {
        Announced = true;
        return _ping = (ulong)Random.Shared.NextInt64() | 1;
    }

    /// <summary>Whether the PING behind the first GOAWAY was acknowledged, so that the last one is due.</summary>
    public bool IsDue(ulong acknowledged) => Announced && !Final && acknowledged == _ping;

    /// <summary>The last GOAWAY goes out. A later one never names a higher stream.</summary>
    /// <returns>The stream that it names.</returns>
    public int Conclude(int lastPeerStreamId)
    {
        Announced = true;
        Final = true;
        return LastStreamId = Math.Min(LastStreamId, lastPeerStreamId);
    }
}
