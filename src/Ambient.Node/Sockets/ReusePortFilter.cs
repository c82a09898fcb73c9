using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Ambient.Node.Sockets;

/// <summary>
/// Which of several listeners on one port (SO_REUSEPORT) gets a connection. The kernel spreads them; a listener that closes takes those
/// with it that it was given and has not accepted. So whoever leaves first stops being given any.
/// </summary>
internal static unsafe class ReusePortFilter
{
    private const ushort ReturnConstant = 0x06;

    /// <summary>
    /// Every new connection goes to the second of the listeners, in the order in which they began to listen. With one only, the kernel
    /// takes that, as it does when there is no filter.
    /// </summary>
    public static void AttachSecond(Socket listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        var instruction = new Instruction { Code = ReturnConstant, Constant = 1 };
        var program = new FilterProgram { Length = 1, Instructions = &instruction };
        listener.SetRawSocketOption(
            SocketOptionNumbers.LevelSocket, SocketOptionNumbers.AttachReusePortFilter, new ReadOnlySpan<byte>(&program, sizeof(FilterProgram)));
    }

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Instruction
    {
        public ushort Code;
        public byte JumpTrue;
        public byte JumpFalse;
        public uint Constant;
    }

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        public ushort Length;
        public Instruction* Instructions;
    }
}
