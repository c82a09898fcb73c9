using System.Runtime.InteropServices;
using System.Text;

namespace Ambient.Certificates;

/// <summary>Whose a folder is, by statx(2), whose answer has the same layout on every architecture. Linux only.</summary>
internal static unsafe partial class FolderOwner
{
    private const int CurrentFolder = -100;
    private const int DoNotFollow = 0x100;
    private const uint ModeAndOwner = 0x1 | 0x2 | 0x8;
    private const int OwnerAt = 20;
    private const int ModeAt = 28;
    private const int KindMask = 0xF000;
    private const int SymbolicLink = 0xA000;

    /// <summary>Whether owners can be told here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The user that this process acts as.</summary>
    public static uint Ourselves() => geteuid();

    /// <summary>The owner of what a path names, and whether that is a symbolic link, which is not followed.</summary>
    /// <exception cref="IOException">It cannot be told.</exception>
    public static (uint Owner, bool IsLink) Of(string path)
    {
        var answer = stackalloc byte[256];
        int error;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            error = statx(CurrentFolder, name, DoNotFollow, ModeAndOwner, answer) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }

        return error == 0
            ? (*(uint*)(answer + OwnerAt), (*(ushort*)(answer + ModeAt) & KindMask) == SymbolicLink)
            : throw new IOException($"its owner cannot be told: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int statx(int folder, byte* path, int flags, uint mask, byte* answer);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint geteuid();
}
