using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// One thread that waits for sockets (epoll, edge-triggered) and runs what waits for them, there and then. Why not the
/// sockets' own engine: it has to try a receive before each wait and to peek after it, and knows nothing of the batch of
/// events that it is in the middle of. Here a wait costs no system call, and what many events of a batch have queued for
/// one connection leaves at the end of it as one record.
/// </summary>
/// <remarks>
/// A tunnel's socket and the sockets relayed to it share a loop, so a hop from socket to socket never changes threads.
/// Everything that runs here is short: user code is sent to the thread pool unless the host asked for it to run inline.
/// </remarks>
internal sealed unsafe class EventLoop
{
    private const int MaxEvents = 256;

    // What the event of another thread carries that wants the loop to look around; a socket's token is never that.
    private const long WakeToken = -1;

    [ThreadStatic]
    private static EventLoop? t_current;

    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly Thread _thread;
    private readonly int _eventSize;
    private readonly int _dataOffset;
    private readonly Lock _tableGate = new();
    private Slot?[] _table = new Slot?[64];
    private readonly Stack<int> _free = new();
    private int _used;
    private volatile bool _ending;

    // Of other threads, and taken by the loop's own.
    private readonly Lock _postGate = new();
    private List<Work> _posted = [];
    private List<Work> _takenPosts = [];
    private bool _isClosed;

    // Only touched by the loop's own thread.
    private List<Work> _atEndOfTurn = [];
    private List<Work> _runningWork = [];
    private List<Work> _nextTurn = [];

    // Of the turn at hand; 0 and default: nobody has asked.
    private long _timestamp;
    private DateTimeOffset _utcNow;

    /// <summary>Starts one.</summary>
    /// <param name="number">Its number, for the thread's name.</param>
    /// <exception cref="SocketException">The process has no room for more descriptors.</exception>
    public EventLoop(int number)
    {
        Number = number;

        // The kernel packs the structure on x86-64 and nowhere else.
        (_eventSize, _dataOffset) = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (12, 4) : (16, 8);
        _epoll = Owned(Libc.EpollCreate(Libc.EpollCloseOnExec));
        try
        {
            _wake = Owned(Libc.EventDescriptor(0, Libc.EventCloseOnExec | Libc.EventNonBlocking));
            var epollEvent = stackalloc byte[16];
            Describe(new Span<byte>(epollEvent, 16), Libc.EpollIn | Libc.EpollEdgeTriggered, WakeToken);
            if (Libc.EpollControl(_epoll, Libc.EpollCtlAdd, _wake, epollEvent) != 0)
            {
                var error = Marshal.GetLastPInvokeError();
                _wake.Dispose();
                throw new SocketException((int)Libc.ToSocketError(error));
            }
        }
        catch
        {
            _epoll.Dispose();
            throw;
        }

        _thread = new Thread(Run, 1024 * 1024) { IsBackground = true, Name = $"hbone-io-{number}" };
        _thread.Start();
    }

    /// <summary>Whether this system has what a loop needs.</summary>
    public static bool IsSupported { get; } = OperatingSystem.IsLinux();

    /// <summary>The loop whose thread this is, or null.</summary>
    public static EventLoop? Current => t_current;

    /// <summary>Begins to report events of a channel's socket.</summary>
    /// <returns>A token for <see cref="Unregister"/>.</returns>
    public long Register(SocketChannel channel)
    {
        long token;
        lock (_tableGate)
        {
            ObjectDisposedException.ThrowIf(_ending && _used == _free.Count, this);
            if (!_free.TryPop(out var index))
            {
                index = _used++;
                if (index == _table.Length)
                {
                    var larger = new Slot?[index * 2];
                    _table.CopyTo(larger, 0);
                    Volatile.Write(ref _table, larger);
                }

                _table[index] = new Slot();
            }

            var slot = _table[index]!;
            Volatile.Write(ref slot.Channel, channel);
            token = ((long)slot.Generation << 32) | (uint)index;
        }

        var epollEvent = stackalloc byte[16];
        Describe(new Span<byte>(epollEvent, 16), Libc.EpollIn | Libc.EpollOut | Libc.EpollRdHup | Libc.EpollEdgeTriggered, token);
        var handle = channel.Socket.SafeHandle;
        if (Libc.EpollControl(_epoll, Libc.EpollCtlAdd, handle, epollEvent) == 0)
        {
            return token;
        }

        // A socket that was to be closed after an earlier relay, and was not.
        var error = Marshal.GetLastPInvokeError();
        if (error == Libc.FileExists && Libc.EpollControl(_epoll, Libc.EpollCtlMod, handle, epollEvent) == 0)
        {
            return token;
        }

        Free(token);
        throw new SocketException((int)Libc.ToSocketError(error));
    }

    /// <summary>Stops reporting. To be called before the socket is closed; harmless after.</summary>
    /// <param name="channel">Channel.</param>
    /// <param name="token">What <see cref="Register"/> gave.</param>
    /// <param name="closing">Whether the socket is closed next: then the kernel need not be told.</param>
    public void Unregister(SocketChannel channel, long token, bool closing)
    {
        Free(token);
        if (closing)
        {
            return;
        }

        try
        {
            var epollEvent = stackalloc byte[16];
            _ = Libc.EpollControl(_epoll, Libc.EpollCtlDel, channel.Socket.SafeHandle, epollEvent);
        }
        catch (ObjectDisposedException)
        {
            // Closing it took it out of the set.
        }
    }

    /// <summary>On the loop's thread: runs work once the events at hand have been handled.</summary>
    public void AtEndOfTurn(ILoopWork work) => _atEndOfTurn.Add(new Work(work));

    /// <summary>On the loop's thread: runs work after others have had their turn.</summary>
    public void NextTurn(ILoopWork work) => _nextTurn.Add(new Work(work));

    /// <summary>Any thread: runs work on the loop's. False: it has ended, and nothing is run.</summary>
    public bool Post(ILoopWork work)
    {
        bool isFirst;
        lock (_postGate)
        {
            if (_isClosed)
            {
                return false;
            }

            _posted.Add(new Work(work));
            isFirst = _posted.Count == 1;
        }

        if (isFirst)
        {
            Wake();
        }

        return true;
    }

    /// <summary>Any thread: runs work on the loop's, and never within the call. False: it has ended, and nothing is run.</summary>
    public bool RunLater(ILoopWork work)
    {
        if (t_current != this || _isClosed)
        {
            return Post(work);
        }

        AtEndOfTurn(work);
        return true;
    }

    /// <summary>Its number among its owner's, from 0.</summary>
    public int Number { get; }

    /// <summary>On the loop's thread: small buffers of its own.</summary>
    public SpareBuffers Spare { get; } = new();

    /// <summary>On the loop's thread: larger ones.</summary>
    public LargeSpares LargeSpare { get; } = new();

    /// <summary>On the loop's thread, within one call: the buffers of a receive that fills several.</summary>
    public byte[][] Pieces { get; } = new byte[SocketChannel.MaxPieces][];

    /// <summary>Receives so far that filled more than one of them, for tests. Only the loop's thread counts.</summary>
    public long ScatteredReceives { get; set; }

    /// <summary>On the loop's thread: when somebody first asked in this turn.</summary>
    public long Timestamp => _timestamp != 0 ? _timestamp : (_timestamp = Stopwatch.GetTimestamp());

    /// <summary>The same, as the time of day.</summary>
    public DateTimeOffset UtcNow => _utcNow != default ? _utcNow : (_utcNow = TimeProvider.System.GetUtcNow());

    /// <summary>Whether its thread has ended.</summary>
    public bool HasEnded => !_thread.IsAlive;

    /// <summary>The loop ends, and its thread with it, when it serves no socket any more. Any thread, any number of times.</summary>
    public void EndWhenEmpty()
    {
        lock (_tableGate)
        {
            _ending = true;
        }

        Wake();
    }

    private static SafeFileHandle Owned(int descriptor) => descriptor >= 0
        ? new SafeFileHandle(descriptor, ownsHandle: true)
        : throw new SocketException((int)Libc.ToSocketError(Marshal.GetLastPInvokeError()));

    private void Describe(Span<byte> epollEvent, uint events, long token)
    {
        MemoryMarshal.Write(epollEvent, events);
        MemoryMarshal.Write(epollEvent[_dataOffset..], token);
    }

    private void Wake()
    {
        try
        {
            var one = 1UL;
            _ = Libc.Write(_wake, (byte*)&one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    private bool IsDone()
    {
        // Whoever sets it wakes the loop afterwards, which then looks again.
        if (!_ending)
        {
            return false;
        }

        lock (_tableGate)
        {
            return _ending && _used == _free.Count;
        }
    }

    private void Free(long token)
    {
        lock (_tableGate)
        {
            var index = (int)(uint)token;
            var slot = _table[index]!;
            if (slot.Generation != (uint)(token >> 32))
            {
                return;
            }

            slot.Channel = null;
            Volatile.Write(ref slot.Generation, slot.Generation + 1);
            _free.Push(index);
            if (!_ending || t_current == this)
            {
                return;
            }
        }

        // It may have been the last one.
        Wake();
    }

    /// <summary>
    /// The channel that an event is for; null if it is gone. Runs once per event, so it takes no lock: it reads the slot's generation after its channel,
    /// and so never takes a channel that has just moved in for the one the event is for.
    /// </summary>
    private SocketChannel? Find(long token)
    {
        var slot = Volatile.Read(ref _table)[(int)(uint)token]!;
        var channel = Volatile.Read(ref slot.Channel);
        return Volatile.Read(ref slot.Generation) == (uint)(token >> 32) ? channel : null;
    }

    private void Run()
    {
        t_current = this;
        var events = (byte*)NativeMemory.Alloc(MaxEvents, 16);
        var epoll = (int)_epoll.DangerousGetHandle();
        while (_nextTurn.Count > 0 || !IsDone())
        {
            var count = Libc.EpollWait(epoll, events, MaxEvents, _nextTurn.Count > 0 ? 0 : -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Libc.Interrupted)
            {
                Environment.FailFast($"epoll_wait failed: {Marshal.GetLastPInvokeError()}");
            }

            (_timestamp, _utcNow) = (0, default);
            (_nextTurn, _runningWork) = (_runningWork, _nextTurn);
            var isWoken = false;
            for (var i = 0; i < count; i++)
            {
                var entry = events + (i * _eventSize);
                var token = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(entry + _dataOffset, 8));
                if (token != WakeToken)
                {
                    Find(token)?.OnEvents(*(int*)entry);
                }
                else
                {
                    isWoken = true;
                }
            }

            RunAll(_runningWork);
            if (isWoken)
            {
                RunPosted(isLast: false);
            }

            while (_atEndOfTurn.Count > 0)
            {
                (_atEndOfTurn, _runningWork) = (_runningWork, _atEndOfTurn);
                RunAll(_runningWork);
            }
        }

        RunPosted(isLast: true);
        LargeSpare.End(IoBuffers.ReturnToShelf);
        NativeMemory.Free(events);
        _wake.Dispose();
        _epoll.Dispose();
    }

    private void RunPosted(bool isLast)
    {
        lock (_postGate)
        {
            (_posted, _takenPosts) = (_takenPosts, _posted);
            _isClosed |= isLast;
        }

        RunAll(_takenPosts);
    }

    private static void RunAll(List<Work> work)
    {
        foreach (var item in work)
        {
            item.Todo.Run();
        }

        work.Clear();
    }

    /// <summary>A place for a channel. Each reuse has a new generation, by which a late event for an earlier channel is recognised.</summary>
    private sealed class Slot
    {
        public SocketChannel? Channel;
        public uint Generation;
    }

    // An array of interfaces would be asked each time whether it may hold what is put into it.
    private readonly record struct Work(ILoopWork Todo);
}
