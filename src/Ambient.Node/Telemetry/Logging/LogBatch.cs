using System.Buffers;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>What is taken from all queues at a time, and put in the order of its times. The writer's thread alone touches it.</summary>
/// <param name="queues">How many there are.</param>
internal sealed class LogBatch(int queues)
{
    // Turns that a thread has under load between one write and the next.
    private const int MostSeriesKept = 1024;

    private readonly Part[] _parts = new Part[queues];
    private int _count;
    private byte[]? _merged;
    private int _mergedLength;

    /// <summary>All lines, once they were put in order.</summary>
    public ReadOnlySpan<byte> Lines => _merged is not null ? _merged.AsSpan(0, _mergedLength) : _count == 0 ? default : _parts[0].Lines.AsSpan(0, _parts[0].Length);

    /// <summary>Takes what waits in a queue.</summary>
    public void Take(LogQueue queue)
    {
        ref var part = ref _parts[_count];
        if (queue.MoveTo(ref part))
        {
            (part.Next, part.Begin) = (0, 0);
            _count++;
        }
    }

    /// <summary>Puts the lines of all queues in order. Those of one stay as they are.</summary>
    public void PutInOrder()
    {
        if (_count < 2)
        {
            return;
        }

        var parts = _parts.AsSpan(0, _count);
        var length = 0;
        foreach (ref var part in parts)
        {
            length += part.Length;
        }

        _merged = ArrayPool<byte>.Shared.Rent(length);
        while (_mergedLength < length)
        {
            ref var first = ref Earliest(parts);
            var end = first.Ends![first.Next++];
            first.Lines.AsSpan(first.Begin, end - first.Begin).CopyTo(_merged.AsSpan(_mergedLength));
            _mergedLength += end - first.Begin;
            first.Begin = end;
        }
    }

    /// <summary>All of it is written. The buffers go back; lists of series that are no longer than usual are kept.</summary>
    public void Clear()
    {
        foreach (ref var part in _parts.AsSpan(0, _count))
        {
            ArrayPool<byte>.Shared.Return(part.Lines!);
            part.Lines = null;
            if (part.Ends!.Length > MostSeriesKept)
            {
                (part.Times, part.Ends) = (null, null);
            }
        }

        if (_merged is not null)
        {
            ArrayPool<byte>.Shared.Return(_merged);
        }

        (_count, _merged, _mergedLength) = (0, null, 0);
    }

    private static ref Part Earliest(Span<Part> parts)
    {
        ref var first = ref parts[0];
        foreach (ref var part in parts)
        {
            if (part.Next < part.Series && (first.Next == first.Series || part.Times![part.Next] < first.Times![first.Next]))
            {
                first = ref part;
            }
        }

        return ref first;
    }

    /// <summary>What came from one queue.</summary>
    internal struct Part
    {
        /// <summary>The lines.</summary>
        public byte[]? Lines;

        /// <summary>Bytes of them.</summary>
        public int Length;

        /// <summary>How many series they are in.</summary>
        public int Series;

        /// <summary>When each was queued.</summary>
        public long[]? Times;

        /// <summary>Where each ends.</summary>
        public int[]? Ends;

        /// <summary>The first series that was not put in order yet.</summary>
        public int Next;

        /// <summary>Where it begins.</summary>
        public int Begin;
    }
}
