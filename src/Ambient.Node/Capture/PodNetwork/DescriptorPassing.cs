using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>Sends a packet with a descriptor beside it (SCM_RIGHTS), which the base class library cannot.</summary>
internal static unsafe partial class DescriptorPassing
{
    private const int SolSocket = 1;
    private const int ScmRights = 1;
    private const int NoSignal = 0x4000;

    /// <summary>Sends one packet. It is small and the peer waits for it, so it goes out at once or not at all.</summary>
    /// <exception cref="IOException">It could not be sent.</exception>
    public static void Send(Socket socket, ReadOnlySpan<byte> packet, SafeHandle descriptor)
    {
        ArgumentNullException.ThrowIfNull(socket);
        var socketHeld = false;
        var descriptorHeld = false;
        try
        {
            socket.SafeHandle.DangerousAddRef(ref socketHeld);
            descriptor.DangerousAddRef(ref descriptorHeld);
            fixed (byte* bytes = packet)
            {
                var part = new IoVector { Base = bytes, Length = (nuint)packet.Length };
                var rights = new Rights
                {
                    Length = (nuint)sizeof(nuint) + (3 * sizeof(int)),
                    Level = SolSocket,
                    Type = ScmRights,
                    Descriptor = (int)descriptor.DangerousGetHandle(),
                };
                var message = new Message { Parts = &part, PartCount = 1, Control = &rights, ControlLength = (nuint)sizeof(Rights) };
                if (SendMessage((int)socket.SafeHandle.DangerousGetHandle(), &message, NoSignal) < 0)
                {
                    throw new IOException($"descriptor could not be passed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
                }
            }
        }
        finally
        {
            if (descriptorHeld)
            {
                descriptor.DangerousRelease();
            }

            if (socketHeld)
            {
                socket.SafeHandle.DangerousRelease();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, Message* message, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Parts;
        public nuint PartCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr with one descriptor, padded to its alignment.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Rights
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Descriptor;
    }
}
