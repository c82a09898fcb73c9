namespace Ambient.Hbone.Sockets;

/// <summary>
/// Small buffers that lie ready for one loop: what it gives back is what it takes next, still in its processor's cache, and no lock stands before it. Only the
/// loop's thread touches them.
/// </summary>
internal sealed class SpareBuffers
{
    // A request has no more than this at a time, and a loop goes on with one at a time.
    private const int Most = 4;

    private static int s_trims;

    private readonly Place[] _places = new Place[Most];
    private int _count;
    private int _trims;

    /// <summary>One; null: there is none.</summary>
    public byte[]? TryTake()
    {
        if (_count == 0 || IsTrimmed())
        {
            return null;
        }

        ref var place = ref _places[--_count];
        var buffer = place.Buffer;
        place.Buffer = null;
        return buffer;
    }

    /// <summary>Keeps one; false: there are enough.</summary>
    public bool TryPut(byte[] buffer)
    {
        if (_count == Most)
        {
            return false;
        }

        IsTrimmed();
        _places[_count++].Buffer = buffer;
        return true;
    }

    /// <summary>Every loop lets go of its own, when it next looks for one.</summary>
    public static void TrimAll() => Interlocked.Increment(ref s_trims);

    private bool IsTrimmed()
    {
        var trims = Volatile.Read(ref s_trims);
        if (trims == _trims)
        {
            return false;
        }

        _trims = trims;
        Array.Clear(_places);
        _count = 0;
        return true;
    }

    // An array of arrays would be asked each time whether it may hold what is put into it.
    private struct Place
    {
        public byte[]? Buffer;
    }
}
