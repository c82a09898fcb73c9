using System.Runtime.InteropServices;

namespace Ambient.Certificates;

/// <summary>The root store of the machine, which a mesh process does not use.</summary>
public static partial class MachineRoots
{
    /// <summary>
    /// Keeps this process from reading the machine's root store. On Linux the first chain that the base class library builds
    /// reads it whole, even for a chain that trusts other roots alone: 2 MB resident and 60 to 100 ms of a host that promises 15 MB.
    /// Call it before the first TLS use, and only in a process that verifies everything against roots of its own: HTTPS to a public
    /// server fails afterwards, whatever <c>SSL_CERT_DIR</c> and <c>SSL_CERT_FILE</c> said before. Does nothing on other systems.
    /// </summary>
    public static void DoNotLoad()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // Environment.SetEnvironmentVariable changes the runtime's copy only; OpenSSL asks the C library.
        _ = SetEnv("SSL_CERT_DIR", "/nonexistent", 1);
        _ = SetEnv("SSL_CERT_FILE", "/nonexistent", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetEnv(string name, string value, int overwrite);
}
