namespace Ambient.Hbone.Sockets;

/// <summary>
/// The threads that move a host's bytes on Linux; elsewhere the platform's own do. A connection, and what is relayed to it, stay on one of them.
/// Whoever makes one owns it and hands it to listeners and clients (<see cref="HboneServerOptions.Io"/>, <see cref="HboneClientOptions.Io"/>); those
/// that are given none share <see cref="Default"/>.
/// </summary>
public sealed class HboneIo : IDisposable
{
    /// <summary>The most threads that one may have.</summary>
    public const int MaxThreads = 1024;

    private static readonly Lazy<HboneIo> s_default = new(static () => new HboneIo(Math.Clamp(Environment.ProcessorCount, 1, 4), isShared: true));
    private readonly Lock _gate = new();
    private readonly bool _isShared;
    private EventLoop[]? _loops;
    private int _next;
    private bool _disposed;

    /// <summary>Describes the threads; they are made for the first connection.</summary>
    /// <param name="threads">How many: 1 to <see cref="MaxThreads"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is out of its range.</exception>
    public HboneIo(int threads)
        : this(threads, isShared: false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
    }

    private HboneIo(int threads, bool isShared)
    {
        Threads = threads;
        _isShared = isShared;
    }

    /// <summary>What everybody shares who was given none: one thread for each processor, at most 4. It is never disposed.</summary>
    public static HboneIo Default => s_default.Value;

    /// <summary>How many threads there are once the first connection has come.</summary>
    public int Threads { get; }

    /// <summary>
    /// Whether code that waits for a tunnel goes on at once on the thread that did the I/O, as the platform's sockets do under the same switch. For
    /// hosts whose every continuation is short; elsewhere the thread pool stands between, because user code may block.
    /// </summary>
    internal bool RunsInline { get; init; } = Environment.GetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS") is "1" or "true";

    /// <summary>
    /// Nothing new is served. Each thread ends when the last socket that it serves is closed, so what is still open goes on. Any number of times.
    /// </summary>
    public void Dispose()
    {
        if (_isShared)
        {
            return;
        }

        EventLoop[]? loops;
        lock (_gate)
        {
            _disposed = true;
            loops = _loops;
        }

        foreach (var loop in loops ?? [])
        {
            loop.EndWhenEmpty();
        }
    }

    /// <summary>The number of the thread that asks among those of its owner, from 0; -1 where it is none of them. For what is kept for each thread.</summary>
    public static int CurrentThread => EventLoop.Current?.Number ?? -1;

    /// <summary>The loop whose thread asks, where it is one of these; else one in turn. Null where there are none.</summary>
    /// <exception cref="ObjectDisposedException">The owner is gone.</exception>
    internal EventLoop? LoopNearby() => LoopHere() ?? NextLoop();

    /// <summary>The loop whose thread asks, where it is one of these; else null.</summary>
    internal EventLoop? LoopHere() => EventLoop.Current is { } current && _loops is { } loops && Array.IndexOf(loops, current) >= 0 ? current : null;

    /// <summary>The loop of a number; where it is none of these, the one nearby. Null where there are none.</summary>
    /// <exception cref="ObjectDisposedException">The owner is gone.</exception>
    internal EventLoop? LoopOf(int number) => _loops is { } loops && (uint)number < (uint)loops.Length ? loops[number] : LoopNearby();

    /// <summary>A loop for a new connection, each in turn; null where there are none.</summary>
    /// <exception cref="ObjectDisposedException">The owner is gone.</exception>
    internal EventLoop? NextLoop()
    {
        if (!EventLoop.IsSupported)
        {
            return null;
        }

        EventLoop[] loops;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            loops = _loops ??= [.. Enumerable.Range(0, Threads).Select(static number => new EventLoop(number))];
        }

        return loops[(uint)Interlocked.Increment(ref _next) % (uint)loops.Length];
    }
}
