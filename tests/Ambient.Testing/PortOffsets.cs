using System.Net;
using System.Net.Sockets;

namespace Ambient.Testing;

/// <summary>
/// Offsets for the admin, metrics and readiness ports of hosts under test. Each is given once in a process, none is the
/// walkthrough's, and all stay below the ports that the system gives to outgoing connections.
/// </summary>
public static class PortOffsets
{
    // The walkthrough has the offsets below a thousand; 15021 + 17_000 is below 32768.
    private const int First = 1_000;
    private const int Last = 17_000;
    private const int Step = 30;
    private const int Count = (Last - First) / Step;
    private static readonly int[] s_ports = [15000, 15020, 15021];
    private static int s_next = Environment.ProcessId * 37;

    /// <summary>An offset on whose ports nobody listens.</summary>
    /// <exception cref="InvalidOperationException">All are taken.</exception>
    public static int Next()
    {
        for (var i = 0; i < Count; i++)
        {
            var offset = First + ((int)((uint)Interlocked.Increment(ref s_next) % Count) * Step);
            if (s_ports.All(port => IsFree(port + offset)))
            {
                return offset;
            }
        }

        throw new InvalidOperationException("somebody listens on one of the ports of every offset");
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
