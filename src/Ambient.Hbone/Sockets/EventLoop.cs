using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;

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
    private static readonly Lock s_gate = new();
    private static EventLoop[]? s_loops;
    private static int s_next;

    [ThreadStatic]
    private static EventLoop? t_current;

    private readonly int _epoll;
    private readonly int _eventSize;
    private readonly int _dataOffset;
    private readonly Lock _tableGate = new();
    private SocketChannel?[] _table = new SocketChannel?[64];
    private uint[] _generations = new uint[64];
    private readonly Stack<int> _free = new();
    private int _used;

    // Only touched by the loop's own thread.
    private List<ILoopWork> _atEndOfTurn = [];
    private List<ILoopWork> _runningWork = [];
    private List<ILoopWork> _nextTurn = [];

    private EventLoop(int number)
    {
        _epoll = Libc.EpollCreate(Libc.EpollCloseOnExec);
        if (_epoll < 0)
        {
            throw new SocketException(Marshal.GetLastPInvokeError());
        }

        // The kernel packs the structure on x86-64 and nowhere else.
        (_eventSize, _dataOffset) = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (12, 4) : (16, 8);
        new Thread(Run, 1024 * 1024) { IsBackground = true, Name = $"hbone-io-{number}" }.Start();
    }

    /// <summary>Whether this system has what a loop needs.</summary>
    public static bool IsSupported { get; } = OperatingSystem.IsLinux();

    /// <summary>Threads that are made at the first use.</summary>
    public static int Count { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>The loop whose thread this is, or null.</summary>
    public static EventLoop? Current => t_current;

    /// <summary>A loop for a new connection: each in turn.</summary>
    public static EventLoop Next()
    {
        var loops = Volatile.Read(ref s_loops) ?? Create();
        return loops[(uint)Interlocked.Increment(ref s_next) % (uint)loops.Length];
    }

    /// <summary>Begins to report events of a channel's socket.</summary>
    /// <returns>A token for <see cref="Unregister"/>.</returns>
    public long Register(SocketChannel channel)
    {
        long token;
        lock (_tableGate)
        {
            if (!_free.TryPop(out var index))
            {
                index = _used++;
                if (index == _table.Length)
                {
                    Array.Resize(ref _generations, index * 2);
                    Array.Resize(ref _table, index * 2);
                }
            }

            _table[index] = channel;
            token = ((long)_generations[index] << 32) | (uint)index;
        }

        var epollEvent = stackalloc byte[16];
        var span = new Span<byte>(epollEvent, 16);
        MemoryMarshal.Write(span, Libc.EpollIn | Libc.EpollOut | Libc.EpollRdHup | Libc.EpollEdgeTriggered);
        MemoryMarshal.Write(span[_dataOffset..], token);
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
    public void AtEndOfTurn(ILoopWork work) => _atEndOfTurn.Add(work);

    /// <summary>On the loop's thread: runs work after others have had their turn.</summary>
    public void NextTurn(ILoopWork work) => _nextTurn.Add(work);

    private static EventLoop[] Create()
    {
        lock (s_gate)
        {
            if (s_loops is null)
            {
                var loops = new EventLoop[Math.Max(1, Count)];
                for (var i = 0; i < loops.Length; i++)
                {
                    loops[i] = new EventLoop(i);
                }

                Volatile.Write(ref s_loops, loops);
            }

            return s_loops;
        }
    }

    private void Free(long token)
    {
        lock (_tableGate)
        {
            var index = (int)(uint)token;
            if (_generations[index] != (uint)(token >> 32))
            {
                return;
            }

            _table[index] = null;
            _generations[index]++;
            _free.Push(index);
        }
    }

    private SocketChannel? Find(long token)
    {
        lock (_tableGate)
        {
            var index = (int)(uint)token;
            return _generations[index] == (uint)(token >> 32) ? _table[index] : null;
        }
    }

    private void Run()
    {
        t_current = this;
        var events = (byte*)NativeMemory.Alloc(MaxEvents, 16);
        while (true)
        {
            var count = Libc.EpollWait(_epoll, events, MaxEvents, _nextTurn.Count > 0 ? 0 : -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Libc.Interrupted)
            {
                Environment.FailFast($"epoll_wait failed: {Marshal.GetLastPInvokeError()}");
            }

            (_nextTurn, _runningWork) = (_runningWork, _nextTurn);
            for (var i = 0; i < count; i++)
            {
                var entry = events + (i * _eventSize);
                var token = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(entry + _dataOffset, 8));
                Find(token)?.OnEvents(*(int*)entry);
            }

            RunAll(_runningWork);
            while (_atEndOfTurn.Count > 0)
            {
                (_atEndOfTurn, _runningWork) = (_runningWork, _atEndOfTurn);
                RunAll(_runningWork);
            }
        }
    }

    private static void RunAll(List<ILoopWork> work)
    {
        foreach (var item in work)
        {
            item.Run();
        }

        work.Clear();
    }
}
