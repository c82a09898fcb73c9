using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>Processor time of the thread that asks: while it waits for others to run nothing is added. Where the system does not tell it, time as it passes.</summary>
internal static partial class ThreadTime
{
    // CLOCK_THREAD_CPUTIME_ID of Linux.
    private const int OfThread = 3;

    /// <summary>So far; for differences.</summary>
    public static TimeSpan Now => OperatingSystem.IsLinux() && Read(OfThread, out var time) == 0
        ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / TimeSpan.NanosecondsPerTick)
        : Stopwatch.GetElapsedTime(0);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int Read(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Timespec
    {
        public readonly nint Seconds;
        public readonly nint Nanoseconds;
    }
}
