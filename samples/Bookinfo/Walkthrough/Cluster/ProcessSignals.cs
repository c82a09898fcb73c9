using System.Runtime.InteropServices;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>Signals by process id, and how to tell that an id still means the same process.</summary>
internal static partial class ProcessSignals
{
    private const int SigInt = 2;
    private const int SigTerm = 15;

    /// <summary>
    /// Makes an interrupt count even where a shell had it ignored, as shells do for what runs in the background: whoever
    /// interrupts the walkthrough wants its processes gone.
    /// </summary>
    public static void HearInterrupts() => _ = signal(SigInt, 0);

    /// <summary>Asks a process to end.</summary>
    public static void Terminate(int processId) => _ = kill(processId, SigTerm);

    /// <summary>
    /// When the process started, in clock ticks since boot; null when there is none. Ids are used again, the pair of id
    /// and start time is not.
    /// </summary>
    public static long? StartTime(int processId)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            // The name is in parentheses and may hold anything, so fields are counted from its end: start time is the 22nd.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : long.Parse(fields[19]);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int processId, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint signal(int signal, nint handler);
}
