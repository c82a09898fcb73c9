using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Ambient.Hbone.Sockets;

/// <summary>The few system calls of Linux that the base class library does not offer in a form without cost.</summary>
internal static unsafe partial class Libc
{
    public const int EpollIn = 0x1;
    public const int EpollOut = 0x4;
    public const int EpollErr = 0x8;
    public const int EpollHup = 0x10;
    public const int EpollRdHup = 0x2000;
    public const uint EpollEdgeTriggered = 1u << 31;
    public const int EpollCtlAdd = 1;
    public const int EpollCtlDel = 2;
    public const int EpollCloseOnExec = 0x80000;
    public const int EpollCtlMod = 3;
    public const int DoNotWait = 0x40;
    public const int NoSignal = 0x4000;
    public const int Interrupted = 4;
    public const int TryAgain = 11;
    public const int FileExists = 17;
    public const int IsConnected = 106;
    public const int Already = 114;
    public const int InProgress = 115;
    public const int DuplicateCloseOnExec = 1030;
    public const int GetStatusFlags = 3;
    public const int SetStatusFlags = 4;
    public const int NonBlocking = 0x800;
    public const int EventCloseOnExec = 0x80000;
    public const int EventNonBlocking = 0x800;

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EpollControl(SafeHandle epoll, int operation, SafeHandle socket, byte* epollEvent);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EpollWait(int epoll, byte* events, int maxEvents, int timeout);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EventDescriptor(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial nint Write(SafeHandle file, byte* bytes, nint length);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial nint Receive(SafeHandle socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial nint Send(SafeHandle socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Connect(SafeHandle socket, byte* address, int addressLength);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int FileControl(SafeHandle file, int command, int argument);

    /// <summary>What an <c>errno</c> of a socket call means to .NET.</summary>
    public static SocketError ToSocketError(int errno) => errno switch
    {
        0 => SocketError.Success,
        TryAgain => SocketError.WouldBlock,
        Interrupted => SocketError.Interrupted,
        9 or 103 => SocketError.ConnectionAborted,
        1 or 13 => SocketError.AccessDenied,
        22 => SocketError.InvalidArgument,
        23 or 24 => SocketError.TooManyOpenSockets,
        32 => SocketError.Shutdown,
        97 => SocketError.AddressFamilyNotSupported,
        98 => SocketError.AddressAlreadyInUse,
        99 => SocketError.AddressNotAvailable,
        104 => SocketError.ConnectionReset,
        105 or 12 => SocketError.NoBufferSpaceAvailable,
        107 => SocketError.NotConnected,
        110 => SocketError.TimedOut,
        111 => SocketError.ConnectionRefused,
        112 => SocketError.HostDown,
        113 => SocketError.HostUnreachable,
        101 => SocketError.NetworkUnreachable,
        100 => SocketError.NetworkDown,
        _ => SocketError.SocketError,
    };
}
