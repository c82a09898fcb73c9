using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ambient.Node.Sockets;

/// <summary>A pod's network namespace, held open by a descriptor: it stays while this is open, whoever else lets go of it.</summary>
public sealed partial class PodNamespace : IDisposable
{
    private const string OwnPath = "/proc/self/ns/net";
    private const int NetworkNamespaceType = 0x40000000;

    /// <summary>This process's own: every thread is there whenever it is not inside of <see cref="Run"/>.</summary>
    private static readonly Lazy<SafeFileHandle> s_home = new(() => File.OpenHandle(OwnPath));

    private PodNamespace(SafeFileHandle handle, string path)
    {
        Handle = handle;
        Path = path;
    }

    /// <summary>Which network it is: equal for all descriptors of one namespace.</summary>
    public string Identity => field ??= new FileInfo($"/proc/self/fd/{Handle.DangerousGetHandle()}").LinkTarget ?? Path;

    /// <summary>A namespace whose descriptor was received; owned from here.</summary>
    public static PodNamespace Of(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        var link = new FileInfo($"/proc/self/fd/{handle.DangerousGetHandle()}").LinkTarget;
        return new PodNamespace(handle, link ?? "(unknown)");
    }

    /// <summary>The descriptor, as it is passed to a ztunnel.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Where it was opened.</summary>
    public string Path { get; }

    /// <summary>Opens the namespace at a path: <c>/run/netns/name</c>, or <c>/proc/123/ns/net</c>.</summary>
    /// <exception cref="PodNetworkException">There is none, or this process may not open it.</exception>
    public static PodNamespace Open(string path)
    {
        try
        {
            return new PodNamespace(File.OpenHandle(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PodNetworkException($"network namespace {path} cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>
    /// Runs something inside. It must not wait: it has a thread to itself, which is the only one in that network. A socket that is made
    /// there, or a process that is started there, stays in that network.
    /// </summary>
    /// <exception cref="PodNetworkException">This process may not enter; the message says which capability is missing.</exception>
    public T Run<T>(Func<T> inside)
    {
        ArgumentNullException.ThrowIfNull(inside);
        var home = s_home.Value;
        if (SetNamespace(Handle, NetworkNamespaceType) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new PodNetworkException(
                $"network namespace {Path} cannot be entered: {new Win32Exception(error).Message}. It takes CAP_SYS_ADMIN and CAP_NET_ADMIN");
        }

        try
        {
            return inside();
        }
        finally
        {
            if (SetNamespace(home, NetworkNamespaceType) != 0)
            {
                // This thread would do other people's work in a pod's network: nothing may run on it again.
                Environment.FailFast($"no way back from network namespace {Path}: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
            }
        }
    }

    /// <summary>Starts a process inside.</summary>
    public Process Start(ProcessStartInfo what) =>
        Run(() => Process.Start(what)) ?? throw new PodNetworkException($"{what.FileName} did not start");

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle ns, int type);
}
