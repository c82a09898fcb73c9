using System.Buffers;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Lines that wait to be written, of one thread as a rule, so that nobody else is at its lock. They are in series: what was queued at one time, such as a
/// turn of the thread.
/// </summary>
internal sealed class LogQueue
{
    /// <summary>Bytes that a queue begins with.</summary>
    public const int SmallBuffer = 8 * 1024;

    /// <summary>Bytes from which on a buffer is given up when there is nothing to write.</summary>
    public const int Busy = 16 * 1024;

    private readonly Lock _gate = new();
    private byte[] _lines = [];
    private int _length;

    // When a series was queued, and where it ends; it begins where the one before it ends.
    private long[] _times = [];
    private int[] _ends = [];
    private int _series;

    /// <summary>Bytes that wait. Any thread: a guess.</summary>
    public int Length => Volatile.Read(ref _length);

    /// <summary>Whether nothing waits. What is queued from here on sees whatever was done before this was asked.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _length == 0;
            }
        }
    }

    /// <summary>Queues a line; false: there would be more bytes than there may be. One that is longer than all that may ever wait is taken alone.</summary>
    public bool TryAppend(ReadOnlySpan<byte> line, int most)
    {
        // On a thread that moves bytes this is when its turn began, and no call.
        var time = HboneClock.Instance.GetTimestamp();
        lock (_gate)
        {
            if (line.Length > most - _length && (_length > 0 || most < LogWriter.Capacity))
            {
                return false;
            }

            if (_lines.Length - _length < line.Length)
            {
                Grow(line.Length);
            }

            line.CopyTo(_lines.AsSpan(_length));
            Volatile.Write(ref _length, _length + line.Length);
            if (_series == 0 || _times[_series - 1] != time)
            {
                Begin(time);
            }

            _ends[_series - 1] = _length;
            return true;
        }
    }

    /// <summary>Hands all that waits to a part of a batch, whose memory is used again. False: nothing waits.</summary>
    public bool MoveTo(ref LogBatch.Part part)
    {
        lock (_gate)
        {
            if (_length == 0)
            {
                return false;
            }

            (part.Lines, part.Series, part.Length) = (_lines, _series, _length);
            (part.Times, _times) = (_times, part.Times ?? []);
            (part.Ends, _ends) = (_ends, part.Ends ?? []);

            // As many lines will probably follow: a buffer that has to grow is copied each time.
            _lines = ArrayPool<byte>.Shared.Rent(Math.Max(SmallBuffer, _length));
            Volatile.Write(ref _length, 0);
            _series = 0;
            return true;
        }
    }

    /// <summary>Gives up what only a load needs, if nothing waits.</summary>
    public void Trim()
    {
        lock (_gate)
        {
            if (_length == 0 && _lines.Length >= Busy)
            {
                ArrayPool<byte>.Shared.Return(_lines);
                (_lines, _times, _ends) = ([], [], []);
            }
        }
    }

    private void Begin(long time)
    {
        if (_series == _times.Length)
        {
            Array.Resize(ref _times, Math.Max(16, _series * 2));
        }

        if (_series == _ends.Length)
        {
            Array.Resize(ref _ends, Math.Max(16, _series * 2));
        }

        _times[_series++] = time;
    }

    private void Grow(int more)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(SmallBuffer, _lines.Length * 2), _length + more));
        _lines.AsSpan(0, _length).CopyTo(larger);
        if (_lines.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_lines);
        }

        _lines = larger;
    }
}
