namespace Ambient.Hbone.Http2;

/// <summary>What the connection keeps about a stream. Fields are guarded by the connection's lock unless they are the read loop's.</summary>
internal sealed partial class Http2Stream
{
    /// <summary>Bytes that we may send; negative after the peer has shrunk its window.</summary>
    internal int SendWindow;

    /// <summary>Bytes that the peer may send.</summary>
    internal int ReceiveWindow;

    /// <summary>Bytes consumed and not yet announced to the peer.</summary>
    internal int CreditToReturn;

    /// <summary>Bytes received and not yet consumed.</summary>
    internal int Unconsumed;

    /// <summary>Response HEADERS went out (server) or came (client).</summary>
    internal bool Answered;

    /// <summary>END_STREAM is sent, or queued behind the data.</summary>
    internal bool LocalEnded;

    /// <summary>END_STREAM waits for the data in the queue to leave.</summary>
    internal bool EndQueued;

    /// <summary>END_STREAM came.</summary>
    internal bool RemoteEnded;

    /// <summary>No longer in the connection's table: both halves are over. Set under the lock, once and for good; whoever sees it set needs no lock.</summary>
    internal volatile bool Removed;

    /// <summary>The connection has taken back all credit at once; what is consumed later counts no more.</summary>
    internal bool Settled;

    /// <summary>To be reset once its queued end has left, because nobody reads it.</summary>
    internal Framing.Http2ErrorCode? ResetAfterEnd;

    /// <summary>A writer waits for room.</summary>
    internal bool WriterWaits;

    /// <summary>Waits for its turn to send.</summary>
    internal bool IsReady;

    /// <summary>Bytes that wait to be sent.</summary>
    internal int Queued;

    /// <summary>Bytes of the buffers that hold them.</summary>
    internal int Held;

    /// <summary>The buffer being sent.</summary>
    internal OutgoingChunk Chunk;

    /// <summary>The buffers after it: of a relay that has read several pieces at once, or of a long write.</summary>
    internal Queue<OutgoingChunk>? MoreChunks;

    /// <summary>The read loop's: the turn in which the stream's data was last handed on. See <see cref="DataGatherer"/>.</summary>
    internal int GatheredTurn;

    /// <summary>The read loop's: where what comes up again in the turn is put aside, from 1; 0 for nowhere.</summary>
    internal short AsideSlot;

    /// <summary>The read loop's: bytes put aside.</summary>
    internal short AsideLength;

    /// <summary>Bytes in a buffer of the pool, with room for a frame header in front.</summary>
    internal struct OutgoingChunk
    {
        public byte[]? Buffer;
        public int Offset;
        public int Count;
    }
}
