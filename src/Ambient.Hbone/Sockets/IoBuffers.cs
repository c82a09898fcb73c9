namespace Ambient.Hbone.Sockets;

/// <summary>
/// Buffers of the data path, in four sizes. Not <see cref="System.Buffers.ArrayPool{T}.Shared"/>: that one keeps what a
/// burst needed, per thread and per core, until the collector is under pressure, and a proxy's resident memory would
/// follow its peak. Here each size keeps a fixed small number and the rest is garbage. A loop has a few of its
/// own (<see cref="SpareBuffers"/>, <see cref="LargeSpares"/>). Thread-safe.
/// </summary>
internal static class IoBuffers
{
    /// <summary>Enough for a request and its frame header.</summary>
    public const int Small = 4 * 1024;

    /// <summary>One TLS record of plaintext.</summary>
    public const int Medium = 16 * 1024;

    /// <summary>What a bulk transfer reads and sends at a time: one <see cref="Piece"/>, with TLS around it.</summary>
    public const int Large = 64 * 1024;

    /// <summary>More than usual is at hand: a long header block, or the answers to many requests at once.</summary>
    public const int Bulk = 256 * 1024;

    /// <summary>
    /// Bytes of a bulk transfer that travel together, their frame header included. As TLS records they fit one large buffer on either side, and leave as one
    /// packet of segmentation offload (44 segments of 1,448 bytes), not as a packet and a crumb. Longer pieces were measured to cost more CPU a
    /// byte, and leave the peers on both sides without work for longer.
    /// </summary>
    public const int Piece = 62 * 1024;

    private static readonly Shelf s_small = new(Small, 32);
    private static readonly Shelf s_medium = new(Medium, 16);

    // A stream's whole window, for a reader that stops and goes on, and what is being moved meanwhile.
    private const int LargeKept = 72;

    // 2 MB, with those of everybody who had to have one.
    private const int FewLarge = 32;
    private static readonly Shelf s_large = new(Large, LargeKept);
    private static readonly Shelf s_bulk = new(Bulk, 2);

    /// <summary>A buffer of at least <paramref name="size"/> bytes.</summary>
    public static byte[] Rent(int size) => size switch
    {
        <= Small => EventLoop.Current?.Spare.TryTake() ?? s_small.Take(),
        <= Medium => EventLoop.Current?.LargeSpare.TryTake(Medium) ?? s_medium.Take(),
        <= Large => EventLoop.Current?.LargeSpare.TryTake(Large) ?? s_large.Take(),
        <= Bulk => s_bulk.Take(),
        _ => GC.AllocateUninitializedArray<byte>(size),
    };

    /// <summary>
    /// A buffer of at most <paramref name="size"/> bytes, for whoever can do with less: when many bulk transfers run side
    /// by side each gets a smaller piece, and memory stays where it is.
    /// </summary>
    /// <param name="size">Medium or large.</param>
    public static byte[] RentUpTo(int size) => (size > Medium ? s_large.TryTake(LargeKept) : null) ?? s_medium.Take();

    /// <summary>
    /// One more large buffer for a caller that already has one and can do without: a spare of the loop, else one of the shelf unless many are in use. Null if
    /// there is neither.
    /// </summary>
    public static byte[]? TryRentMore() => EventLoop.Current?.LargeSpare.TryTake(Large) ?? s_large.TryTake(FewLarge);

    /// <summary>Gives a buffer back, exactly once.</summary>
    public static void Return(byte[] buffer)
    {
        switch (buffer.Length)
        {
            case Small when EventLoop.Current?.Spare.TryPut(buffer) == true:
            case Medium or Large when EventLoop.Current?.LargeSpare.TryPut(buffer) == true:
                break;
            default:
                ReturnToShelf(buffer);
                break;
        }
    }

    /// <summary>Gives a buffer back to where all may take it.</summary>
    public static void ReturnToShelf(byte[] buffer)
    {
        switch (buffer.Length)
        {
            case Small:
                s_small.Put(buffer);
                break;
            case Medium:
                s_medium.Put(buffer);
                break;
            case Large:
                s_large.Put(buffer);
                break;
            case Bulk:
                s_bulk.Put(buffer);
                break;
            default:
                break;
        }
    }

    /// <summary>Lets go of all that lie here unused: for a process that has been idle for a while. What comes next is made anew.</summary>
    public static void Trim()
    {
        SpareBuffers.TrimAll();
        LargeSpares.EmptyAll(ReturnToShelf);
        s_small.Clear();
        s_medium.Clear();
        s_large.Clear();
        s_bulk.Clear();
    }

    /// <summary>Buffers of one size: keeps a fixed number of those that come back, and counts those in use. Thread-safe.</summary>
    internal sealed class Shelf(int size, int capacity)
    {
        private readonly byte[]?[] _items = new byte[]?[capacity];
        private readonly Lock _gate = new();
        private int _count;
        private int _out;

        /// <summary>A buffer while fewer than so many are in use.</summary>
        public byte[]? TryTake(int most)
        {
            lock (_gate)
            {
                if (_out >= most)
                {
                    return null;
                }
            }

            return Take();
        }

        /// <summary>A buffer.</summary>
        public byte[] Take()
        {
            lock (_gate)
            {
                _out++;
                if (_count > 0)
                {
                    var item = _items[--_count]!;
                    _items[_count] = null;
                    return item;
                }
            }

            return GC.AllocateUninitializedArray<byte>(size);
        }

        /// <summary>Takes one back.</summary>
        public void Put(byte[] buffer)
        {
            lock (_gate)
            {
                // Not all that are taken come back: what is dropped with a failed connection must not count for ever.
                _out = Math.Max(0, _out - 1);
                if (_count < _items.Length)
                {
                    _items[_count++] = buffer;
                }
            }
        }

        /// <summary>Lets go of those that nobody uses.</summary>
        public void Clear()
        {
            lock (_gate)
            {
                Array.Clear(_items);
                _count = 0;
            }
        }
    }
}
