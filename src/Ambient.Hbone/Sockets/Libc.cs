using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

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

    /// <summary>Receives what is there, without waiting: bytes, 0 at the end of the stream, or -1 and why.</summary>
    public static int Receive(SafeHandle socket, byte* buffer, int length, out SocketError error) => Transfer(ReceiveFrom, socket, buffer, length, DoNotWait, out error);

    /// <summary>Whether <see cref="Receive(SafeHandle, Vector*, int, out SocketError)"/> works on this processor.</summary>
    public static bool CanScatter => ReceiveMessage != 0;

    /// <summary>Receives what is there into buffers, one after the other, without waiting: bytes, 0 at the end of the stream, or -1 and why.</summary>
    public static int Receive(SafeHandle socket, Vector* buffers, int count, out SocketError error)
    {
        if (!CanScatter)
        {
            // Without a number it would become another call.
            throw new PlatformNotSupportedException("recvmsg is not known on this processor");
        }

        var message = new Message { Buffers = buffers, Count = count };

        // Its third argument is the flags.
        return Transfer(ReceiveMessage, socket, (byte*)&message, DoNotWait, 0, out error);
    }

    /// <summary>Sends what fits, without waiting: bytes, or -1 and why.</summary>
    public static int Send(SafeHandle socket, byte* bytes, int length, out SocketError error) => Transfer(SendTo, socket, bytes, length, DoNotWait | NoSignal, out error);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Connect(SafeHandle socket, byte* address, int addressLength);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int FileControl(SafeHandle file, int command, int argument);

    // Numbers of system calls, which are the kernel's for good; 0 on processors that are not looked after here.
    private static int ReceiveFrom => X86Base.X64.IsSupported ? 45 : ArmBase.Arm64.IsSupported ? 207 : 0;

    private static int ReceiveMessage => X86Base.X64.IsSupported ? 47 : ArmBase.Arm64.IsSupported ? 212 : 0;

    private static int SendTo => X86Base.X64.IsSupported ? 44 : ArmBase.Arm64.IsSupported ? 206 : 0;

    /// <summary>
    /// One of the two calls that every piece of data makes. The C library's own functions may be where a thread is cancelled, and prepare for it and back each
    /// time: as much as our part of the call. Nobody cancels ours, so the kernel is called without. Why it failed is asked for only when it has.
    /// </summary>
    private static int Transfer(int call, SafeHandle socket, byte* bytes, int length, int flags, out SocketError error)
    {
        var isHeld = false;
        try
        {
            socket.DangerousAddRef(ref isHeld);
            var descriptor = (int)socket.DangerousGetHandle();
            var count = call != 0 ? (int)SystemCall(call, descriptor, bytes, length, flags, 0, 0)
                : flags == DoNotWait ? (int)PlainReceive(descriptor, bytes, length, flags)
                : (int)PlainSend(descriptor, bytes, length, flags);
            error = count >= 0 ? SocketError.Success : ToSocketError(Marshal.GetLastSystemError());
            return count;
        }
        finally
        {
            if (isHeld)
            {
                socket.DangerousRelease();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SystemCall(nint number, nint socket, byte* bytes, nint length, nint flags, nint address, nint addressLength);

    [LibraryImport("libc", EntryPoint = "recv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint PlainReceive(int socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "send")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint PlainSend(int socket, byte* bytes, nint length, int flags);

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

    /// <summary><c>iovec</c>: where one of several buffers lies.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Vector
    {
        public byte* Start;
        public nint Length;
    }

    // msghdr as the kernel has it on processors of 64 bits.
    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public nint Name;
        public nint NameLength;
        public Vector* Buffers;
        public nint Count;
        public nint Control;
        public nint ControlLength;
        public nint Flags;
    }
}
