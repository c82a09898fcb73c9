using System.Buffers;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Writes all lines of a process, in order, on a thread of its own: the thread pool may be busy with the very code
/// that wants to log. Appending copies into memory and does not wait for the other end of the pipe, until
/// <see cref="Capacity"/> is full: then a caller waits up to a second, unless it is a thread that moves bytes, and if the reader is still stuck the
/// line is dropped and counted, because a log that nobody reads must not stop traffic. How many were dropped is written when the reader moves again.
/// </summary>
internal sealed class LogWriter : IDisposable
{
    /// <summary>Bytes that may be queued; some thousand lines.</summary>
    public const int Capacity = 2 * 1024 * 1024;

    private const int SmallBuffer = 8 * 1024;

    // Under load one write takes all lines of some milliseconds: each waking costs what formatting a dozen lines does.
    private const int Busy = 16 * 1024;
    private const int Nap = 4;
    private const int BusyNap = 20;

    private const int ThreadStack = 256 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly object _lock = new();
    private readonly Stream _output;
    private readonly Thread _thread;
    private byte[] _pending = ArrayPool<byte>.Shared.Rent(SmallBuffer);
    private int _length;
    private long _dropped;
    private long _reported;
    private bool _writing;
    private bool _stuck;
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
        lock (_lock)
        {
            while (_length > 0 && _length + line.Length > Capacity)
            {
                // A thread that moves everybody's bytes does not wait at all. Once another caller has waited in vain, the others do not wait until the
                // reader moves again.
                if (HboneIo.CurrentThread >= 0 || _stuck || !Monitor.Wait(_lock, Patience))
                {
                    _stuck = true;
                    _dropped++;
                    return;
                }
            }

            Reserve_NeedsLock(line.Length);
            line.CopyTo(_pending.AsSpan(_length));
            _length += line.Length;
            if (!_writing)
            {
                Monitor.PulseAll(_lock);
            }
        }
    }

    /// <summary>Waits until everything that was queued is written, or the reader does not move for some seconds.</summary>
    public void Flush()
    {
        var patience = 5;
        lock (_lock)
        {
            while (_length > 0 || _writing)
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

    private void Run()
    {
        var length = 0;
        while (WaitForLines())
        {
#pragma warning disable RS0030 // A thread of its own that has nothing else to do. Nothing wakes it in between.
            Thread.Sleep(length < Busy ? Nap : BusyNap);
#pragma warning restore RS0030
            (var batch, length) = Take();
            try
            {
                _output.Write(batch, 0, length);
                _output.Flush();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Standard output is gone. There is nowhere left to say so.
            }

            ArrayPool<byte>.Shared.Return(batch);
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
            while (_length == 0)
            {
                if (_closed)
                {
                    return false;
                }

                if (_pending.Length >= Busy)
                {
                    // The load is over, and so is what it needed.
                    ArrayPool<byte>.Shared.Return(_pending);
                    _pending = ArrayPool<byte>.Shared.Rent(SmallBuffer);
                }

                Monitor.Wait(_lock);
            }

            _writing = true;
            return true;
        }
    }

    private (byte[] Batch, int Length) Take()
    {
        lock (_lock)
        {
            // As many lines will probably follow: a buffer that has to grow is copied each time.
            var taken = (_pending, _length);
            _pending = ArrayPool<byte>.Shared.Rent(Math.Max(SmallBuffer, _length));
            _length = 0;

            // There is room now for whoever waited for it.
            Monitor.PulseAll(_lock);
            return taken;
        }
    }

    /// <summary>The reader moves again: how many lines it missed comes before whatever follows.</summary>
    private void Report_NeedsLock()
    {
        if (_dropped > _reported && DropNotice?.Invoke(_dropped - _reported) is { } notice)
        {
            _reported = _dropped;
            Reserve_NeedsLock(notice.Length);
            notice.CopyTo(_pending.AsSpan(_length));
            _length += notice.Length;
        }
    }

    private void Reserve_NeedsLock(int size)
    {
        if (_pending.Length - _length >= size)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_pending.Length * 2, _length + size));
        _pending.AsSpan(0, _length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_pending);
        _pending = larger;
    }
}
