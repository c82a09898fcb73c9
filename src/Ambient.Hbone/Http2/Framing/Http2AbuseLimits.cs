using Ambient.Hbone.Options;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>
/// How much of each frame an honest peer could need, with room to spare; beyond it the connection ends with
/// ENHANCE_YOUR_CALM. Rates count within <see cref="Window"/>. Every number is at least 0 unless it says otherwise.
/// </summary>
internal sealed record Http2AbuseLimits
{
    public static Http2AbuseLimits Default { get; } = new();

    /// <summary>Length of the counting window: 10 ms to 1 day.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Streams reset before they were answered, a window. A pool full of impatient clients stays below.</summary>
    public int ResetsBeforeAnswer { get; init; } = 1000;

    /// <summary>RST_STREAM frames of any kind, a window: every tunnel may end in one, thousands a second.</summary>
    public int Resets { get; init; } = 200_000;

    /// <summary>Streams that we reset for the peer's faults, a window. A burst over the stream limit stays below.</summary>
    public int StreamErrors { get; init; } = 1000;

    /// <summary>CONTINUATION frames of one header block. A block of 64 KB needs four at the smallest frame size.</summary>
    public int ContinuationsPerBlock { get; init; } = 64;

    /// <summary>SETTINGS frames, a window.</summary>
    public int Settings { get; init; } = 100;

    /// <summary>PING frames that ask for an answer, a window.</summary>
    public int Pings { get; init; } = 500;

    /// <summary>DATA without data and without END_STREAM, and HEADERS without a block, a window.</summary>
    public int EmptyFrames { get; init; } = 500;

    /// <summary>DATA of fewer bytes than this is tiny: 0 to 16,384.</summary>
    public int TinyData { get; init; } = 64;

    /// <summary>
    /// Tiny DATA frames that came behind others of the same stream in one read, so that the sender could have joined them, a window.
    /// An honest sender reads what its application has written meanwhile and catches up; single keystrokes never count, however
    /// small they are, because they do not come in heaps. An application that writes byte by byte as fast as it can, behind a
    /// proxy that sends each on its own, stays below.
    /// </summary>
    public int Splinters { get; init; } = 2_000_000;

    /// <summary>
    /// DATA of a few bytes, HEADERS and WINDOW_UPDATE for streams that are over, a window. Each stream may end with some on their
    /// way, thousands of streams a second.
    /// </summary>
    public int LateFrames { get; init; } = 200_000;

    /// <summary>Interim (1xx) responses, a window. A CONNECT needs none.</summary>
    public int InterimResponses { get; init; } = 1000;

    /// <summary>WINDOW_UPDATEs beyond those that what we sent has earned.</summary>
    public int WindowUpdates { get; init; } = 20_000;

    /// <summary>Bytes sent that earn a WINDOW_UPDATE, in addition to <see cref="TinyWindowUpdatesPerData"/> for each frame: at least 1.</summary>
    public int BytesPerWindowUpdate { get; init; } = 128;

    /// <summary>WINDOW_UPDATEs with an increment below this are tiny.</summary>
    public int TinyWindowUpdate { get; init; } = 256;

    /// <summary>Tiny WINDOW_UPDATEs beyond <see cref="TinyWindowUpdatesPerData"/> for each DATA frame that we sent.</summary>
    public int TinyWindowUpdates { get; init; } = 2000;

    /// <summary>Tiny WINDOW_UPDATEs that one DATA frame of ours earns: one for the stream, one for the connection, twice.</summary>
    public int TinyWindowUpdatesPerData { get; init; } = 4;

    /// <summary>PRIORITY and unknown frames, a window.</summary>
    public int IgnoredFrames { get; init; } = 2000;

    /// <summary>Control frames that wait to be sent at one time: at least 1.</summary>
    public int QueuedControlFrames { get; init; } = 4096;

    /// <summary>Bytes of control frames and heads that wait to be sent at one time: at least 1. A turn of the read loop can cause half of it honestly.</summary>
    public int QueuedControlBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Notes every value that is out of its range.</summary>
    public void AddFaults(OptionFaults faults)
    {
        faults.Range(nameof(Window), Window, OptionFaults.Shortest, TimeSpan.FromDays(1));
        faults.Range(nameof(ResetsBeforeAnswer), ResetsBeforeAnswer, 0, int.MaxValue);
        faults.Range(nameof(Resets), Resets, 0, int.MaxValue);
        faults.Range(nameof(StreamErrors), StreamErrors, 0, int.MaxValue);
        faults.Range(nameof(ContinuationsPerBlock), ContinuationsPerBlock, 0, int.MaxValue);
        faults.Range(nameof(Settings), Settings, 0, int.MaxValue);
        faults.Range(nameof(Pings), Pings, 0, int.MaxValue);
        faults.Range(nameof(EmptyFrames), EmptyFrames, 0, int.MaxValue);
        faults.Range(nameof(TinyData), TinyData, 0, 16_384);
        faults.Range(nameof(Splinters), Splinters, 0, int.MaxValue);
        faults.Range(nameof(LateFrames), LateFrames, 0, int.MaxValue);
        faults.Range(nameof(InterimResponses), InterimResponses, 0, int.MaxValue);
        faults.Range(nameof(WindowUpdates), WindowUpdates, 0, int.MaxValue);
        faults.Range(nameof(BytesPerWindowUpdate), BytesPerWindowUpdate, 1, int.MaxValue);
        faults.Range(nameof(TinyWindowUpdate), TinyWindowUpdate, 0, int.MaxValue);
        faults.Range(nameof(TinyWindowUpdates), TinyWindowUpdates, 0, int.MaxValue);
        faults.Range(nameof(TinyWindowUpdatesPerData), TinyWindowUpdatesPerData, 0, int.MaxValue);
        faults.Range(nameof(IgnoredFrames), IgnoredFrames, 0, int.MaxValue);
        faults.Range(nameof(QueuedControlFrames), QueuedControlFrames, 1, int.MaxValue);
        faults.Range(nameof(QueuedControlBytes), QueuedControlBytes, 1, int.MaxValue);
    }
}
