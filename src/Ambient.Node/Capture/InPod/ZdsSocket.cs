using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ambient.Node.Capture.InPod;

/// <summary>
/// The unix socket on which the network plugin talks: one message a packet, and the descriptor of a pod's network beside it. Sockets of
/// the base class library cannot receive descriptors.
/// </summary>
internal sealed partial class ZdsSocket : IDisposable
{
    /// <summary>Most bytes of a packet.</summary>
    public const int PacketSize = 1024;

    private const int MostDescriptors = 4;
    private const int SolSocket = 1;
    private const int ScmRights = 1;
    private const int DoNotWait = 0x40;
    private const int CloseOnExec = 0x40000000;
    private const int Truncated = 0x20;
    private const int ControlTruncated = 0x8;
    private const int TryAgain = 11;
    private const int Interrupted = 4;

    private readonly Socket _socket;
    private readonly byte[] _peek = new byte[1];

    private ZdsSocket(Socket socket) => _socket = socket;

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<ZdsSocket> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new ZdsSocket(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends one packet.</summary>
    /// <exception cref="SocketException">The plugin went away.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> packet, CancellationToken cancellationToken) =>
        await _socket.SendAsync(packet, SocketFlags.None, cancellationToken).ConfigureAwait(false);

    /// <summary>Waits for a packet.</summary>
    /// <param name="buffer">At least <see cref="PacketSize"/> bytes.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Its length, 0 at the end of the connection, and the descriptors that came with it, which are the caller's to close.</returns>
    /// <exception cref="IOException">The packet was cut off.</exception>
    /// <exception cref="SocketException">The plugin went away.</exception>
    public async Task<(int Length, SafeFileHandle[] Descriptors)> ReceiveAsync(byte[] buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Waits without taking anything: what is taken has to be taken together with its descriptor.
            if (await _socket.ReceiveAsync(_peek, SocketFlags.Peek, cancellationToken).ConfigureAwait(false) == 0)
            {
                return (0, []);
            }

            if (TryReceive(buffer, out var length, out var descriptors))
            {
                return (length, descriptors);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private unsafe bool TryReceive(byte[] buffer, out int length, out SafeFileHandle[] descriptors)
    {
        var held = false;
        try
        {
            _socket.SafeHandle.DangerousAddRef(ref held);
            var control = stackalloc byte[sizeof(nuint) + (2 * sizeof(int)) + (MostDescriptors * sizeof(int))];
            fixed (byte* bytes = buffer)
            {
                var part = new IoVector { Base = bytes, Length = PacketSize };
                var message = new Message
                {
                    Parts = &part,
                    PartCount = 1,
                    Control = control,
                    ControlLength = (nuint)(sizeof(nuint) + (2 * sizeof(int)) + (MostDescriptors * sizeof(int))),
                };
                length = (int)ReceiveMessage((int)_socket.SafeHandle.DangerousGetHandle(), &message, CloseOnExec | DoNotWait);
                descriptors = [];
                if (length < 0)
                {
                    var error = Marshal.GetLastPInvokeError();
                    return error is TryAgain or Interrupted ? false : throw new IOException($"the packet cannot be received: {new Win32Exception(error).Message}");
                }

                descriptors = Descriptors(control, message.ControlLength);
                if ((message.Flags & (Truncated | ControlTruncated)) != 0)
                {
                    Close(descriptors);
                    throw new IOException((message.Flags & Truncated) != 0 ? $"a packet of more than {PacketSize} bytes" : "more descriptors than there may be");
                }

                return true;
            }
        }
        finally
        {
            if (held)
            {
                _socket.SafeHandle.DangerousRelease();
            }
        }
    }

    /// <summary>Closes what nobody wants.</summary>
    public static void Close(SafeFileHandle[] descriptors)
    {
        foreach (var descriptor in descriptors)
        {
            descriptor.Dispose();
        }
    }

    private static unsafe SafeFileHandle[] Descriptors(byte* control, nuint length)
    {
        var header = (nuint)sizeof(nuint) + (2 * sizeof(int));
        if (length < header)
        {
            return [];
        }

        // One header: the kernel puts all descriptors of a packet into one.
        var whole = *(nuint*)control;
        var (level, type) = (*(int*)(control + sizeof(nuint)), *(int*)(control + sizeof(nuint) + sizeof(int)));
        if (level != SolSocket || type != ScmRights || whole < header || whole > length)
        {
            return [];
        }

        var descriptors = new SafeFileHandle[(int)((whole - header) / sizeof(int))];
        for (var i = 0; i < descriptors.Length; i++)
        {
            descriptors[i] = new SafeFileHandle(((int*)(control + header))[i], ownsHandle: true);
        }

        return descriptors;
    }

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial nint ReceiveMessage(int socket, Message* message, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Message
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Parts;
        public nuint PartCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
