using System.Buffers;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Writes all lines of a process, in the order of their times, on a thread of its own: the thread pool may be busy with the very code
/// that wants to log. Appending copies into memory and does not wait for the other end of the pipe, until
/// <see cref="Capacity"/> is full: then a caller waits up to a second, unless it is a thread that moves bytes, and if the reader is still stuck the
/// line is dropped and counted, because a log that nobody reads must not stop traffic. How many were dropped is written when the reader moves again.
/// </summary>
/// <remarks>
/// Each thread that moves bytes has a queue of its own, so that none of them waits for another, nor for the memory that another has just written.
/// Its lines stay in their order; those of different threads are put in order by when their turn began.
/// </remarks>
internal sealed class LogWriter : IDisposable
{
    /// <summary>Bytes that may be queued; some thousand lines.</summary>
    public const int Capacity = 2 * 1024 * 1024;

    // The first is for threads that are none of those that move bytes. More of these than that share.
    private const int Queues = 9;

    // What each queue may have without a look at the others, which would be a look at what their threads have just written.
    private const int Share = Capacity / Queues;

    // Under load one write takes all lines of some milliseconds: each waking costs what formatting a dozen lines does.
    private const int Busy = LogQueue.Busy;
    private const int Nap = 4;
    private const int BusyNap = 20;

    private const int ThreadStack = 256 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly object _lock = new();
    private readonly Stream _output;
    private readonly Thread _thread;
    private readonly LogQueue?[] _queues = new LogQueue?[Queues];
    private readonly LogBatch _batch = new(Queues);
    private long _dropped;
    private long _reported;
    private volatile bool _stuck;

    // The thread sleeps until somebody wakes it. Who appends looks at it after the line is in its queue, and the thread looks at the queues after it was set.
    private volatile bool _sleeps;
    private bool _writing;
    private bool _closed;

    /// <summary>Creates a writer to a stream, which it owns.</summary>
    public LogWriter(Stream output)
    {
        _output = output;
        _thread = new Thread(Run, ThreadStack) { IsBackground = true, Name = "log" };
        _thread.Start();
    }

    /// <summary>Lines that were dropped because the reader was stuck.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>
    /// Makes the line that says, once there is room again, how many were dropped. Null: only <see cref="Dropped"/> says so.
    /// </summary>
    public Func<long, byte[]>? DropNotice { get; set; }

    /// <summary>Writes to standard output.</summary>
    public static LogWriter ToStandardOutput() => new(Console.OpenStandardOutput());

    /// <summary>Queues one line, which includes its line break.</summary>
    public void Append(ReadOnlySpan<byte> line)
    {
        var thread = HboneIo.CurrentThread;
        var queue = QueueOf(thread);
        if (!TryAppend(queue, line) && !WaitAndAppend(queue, line, mayWait: thread < 0))
        {
            Interlocked.Increment(ref _dropped);
            return;
        }

        if (_sleeps)
        {
            Wake();
        }
    }

    /// <summary>Waits until everything that was queued is written, or the reader does not move for some seconds.</summary>
    public void Flush()
    {
        var patience = 5;
        lock (_lock)
        {
            while (_writing || HasLines())
            {
                if (!Monitor.Wait(_lock, Patience) && --patience == 0)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Writes what is queued and closes the stream.</summary>
    public void Dispose()
    {
        Flush();
        lock (_lock)
        {
            _closed = true;
            Monitor.PulseAll(_lock);
        }

        if (_thread.Join(Patience))
        {
            _output.Dispose();
        }
    }

    /// <summary>The queue of a thread. Whoever needs it first makes it, so that it lies among what is that thread's.</summary>
    private LogQueue QueueOf(int thread)
    {
        ref var place = ref _queues[(uint)(thread + 1) % Queues];
        return Volatile.Read(ref place) ?? Interlocked.CompareExchange(ref place, new LogQueue(), null) ?? place!;
    }

    private bool TryAppend(LogQueue queue, ReadOnlySpan<byte> line) => queue.TryAppend(line, Share) || queue.TryAppend(line, Capacity - LengthBeside(queue));

    /// <summary>False: the line is to be dropped.</summary>
    private bool WaitAndAppend(LogQueue queue, ReadOnlySpan<byte> line, bool mayWait)
    {
        lock (_lock)
        {
            while (!TryAppend(queue, line))
            {
                // A thread that moves everybody's bytes does not wait at all. Once another caller has waited in vain, the others do not wait until the
                // reader moves again.
                if (!mayWait || _stuck || !Monitor.Wait(_lock, Patience))
                {
                    _stuck = true;
                    return false;
                }
            }
        }

        return true;
    }

    private void Wake()
    {
        lock (_lock)
        {
            if (_sleeps)
            {
                _sleeps = false;
                Monitor.PulseAll(_lock);
            }
        }
    }

    private void Run()
    {
        var length = 0;
        while (WaitForLines())
        {
#pragma warning disable RS0030 // A thread of its own that has nothing else to do. Nothing wakes it in between.
            Thread.Sleep(length < Busy ? Nap : BusyNap);
#pragma warning restore RS0030
            length = Take();
            try
            {
                _output.Write(_batch.Lines);
                _output.Flush();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Standard output is gone. There is nowhere left to say so.
            }

            _batch.Clear();
        }
    }

    /// <summary>Waits for something to write; false at the end.</summary>
    private bool WaitForLines()
    {
        lock (_lock)
        {
            (_writing, _stuck) = (false, false);
            Report_NeedsLock();
            Monitor.PulseAll(_lock);
            while (true)
            {
                _sleeps = true;
                if (HasLines())
                {
                    break;
                }

                if (_closed)
                {
                    return false;
                }

                // The load is over, and so is what it needed.
                foreach (var queue in _queues)
                {
                    queue?.Trim();
                }

                Monitor.Wait(_lock);
            }

            (_sleeps, _writing) = (false, true);
            return true;
        }
    }

    private int Take()
    {
        foreach (ref var place in _queues.AsSpan())
        {
            if (Volatile.Read(ref place) is { } queue)
            {
                _batch.Take(queue);
            }
        }

        _batch.PutInOrder();
        lock (_lock)
        {
            // There is room now for whoever waited for it.
            Monitor.PulseAll(_lock);
        }

        return _batch.Lines.Length;
    }

    /// <summary>The reader moves again: how many lines it missed comes before whatever follows.</summary>
    private void Report_NeedsLock()
    {
        var dropped = Dropped;
        if (dropped > _reported && DropNotice?.Invoke(dropped - _reported) is { } notice)
        {
            _reported = dropped;
            QueueOf(-1).TryAppend(notice, int.MaxValue);
        }
    }

    private bool HasLines()
    {
        foreach (ref var place in _queues.AsSpan())
        {
            if (Volatile.Read(ref place) is { IsEmpty: false })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Bytes of all other queues. A guess while they change.</summary>
    private int LengthBeside(LogQueue queue)
    {
        var length = 0;
        foreach (ref var place in _queues.AsSpan())
        {
            length += Volatile.Read(ref place) is { } other && other != queue ? other.Length : 0;
        }

        return length;
    }
}
