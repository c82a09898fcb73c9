namespace Ambient.Hbone.Sockets;

/// <summary>
/// The buffers that one loop receives into, ready for the next time: what comes from a peer goes through one of records and one of plaintext, and where there
/// is HTTP/2 within the tunnel through one of its frames, or through one of an application's bytes, and is done with before the next comes. So none of the loops is at the shelves, which all share, for each of its reads.
/// Only the loop's thread puts and takes; a trim of any thread empties them.
/// </summary>
internal sealed class LargeSpares
{
    private static readonly Lock s_gate = new();
    private static readonly List<LargeSpares> s_all = [];
    private byte[]? _medium;
    private byte[]? _large;
    private byte[]? _secondLarge;
    private byte[]? _thirdLarge;
    private bool _isListed;

    /// <summary>One; null: there is none.</summary>
    /// <param name="size">Medium or large, as <see cref="IoBuffers"/> has them.</param>
    public byte[]? TryTake(int size) => size == IoBuffers.Medium ? Take(ref _medium) : Take(ref _large) ?? Take(ref _secondLarge) ?? Take(ref _thirdLarge);

    /// <summary>Keeps one; false: there are enough.</summary>
    public bool TryPut(byte[] buffer)
    {
        if (!_isListed)
        {
            // From here on there is something to empty.
            _isListed = true;
            lock (s_gate)
            {
                s_all.Add(this);
            }
        }

        return buffer.Length == IoBuffers.Medium ? Put(ref _medium, buffer) : Put(ref _large, buffer) || Put(ref _secondLarge, buffer) || Put(ref _thirdLarge, buffer);
    }

    /// <summary>The loop ends.</summary>
    public void End(Action<byte[]> giveBack)
    {
        lock (s_gate)
        {
            s_all.Remove(this);
        }

        Empty(giveBack);
    }

    /// <summary>Gives back those of all loops.</summary>
    public static void EmptyAll(Action<byte[]> giveBack)
    {
        lock (s_gate)
        {
            s_all.ForEach(spares => spares.Empty(giveBack));
        }
    }

    private void Empty(Action<byte[]> giveBack)
    {
        while ((Take(ref _medium) ?? Take(ref _large) ?? Take(ref _secondLarge) ?? Take(ref _thirdLarge)) is { } buffer)
        {
            giveBack(buffer);
        }
    }

    // A trim may come between the two looks.
    private static byte[]? Take(ref byte[]? place) => Volatile.Read(ref place) is null ? null : Interlocked.Exchange(ref place, null);

    // Nobody else fills a place that is empty.
    private static bool Put(ref byte[]? place, byte[] buffer)
    {
        if (Volatile.Read(ref place) is not null)
        {
            return false;
        }

        Volatile.Write(ref place, buffer);
        return true;
    }
}
