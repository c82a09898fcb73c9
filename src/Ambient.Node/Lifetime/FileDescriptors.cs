using System.Runtime.InteropServices;

namespace Ambient.Node.Lifetime;

/// <summary>The process's limit on open files; each carried connection takes two.</summary>
internal static partial class FileDescriptors
{
    private const int NoFile = 7;

    /// <summary>Raises the soft limit to the hard one. Returns the limit in force, or null where it is not known.</summary>
    public static long? RaiseLimit()
    {
        if (!OperatingSystem.IsLinux() || GetLimit(NoFile, out var limit) != 0)
        {
            return null;
        }

        if (limit.Soft < limit.Hard)
        {
            var raised = new ResourceLimit { Soft = limit.Hard, Hard = limit.Hard };
            if (SetLimit(NoFile, in raised) == 0)
            {
                limit = raised;
            }
        }

        return limit.Soft > long.MaxValue ? long.MaxValue : (long)limit.Soft;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceLimit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
