using System.Net.Sockets;
using System.Runtime.InteropServices;
using Ambient.Node.Sockets;

namespace Ambient.Node.Capture.InPod;

/// <summary>What every pod will need, tried once at the start in our own network: better one error now than one for each pod later.</summary>
internal static class PodSelfTest
{
    /// <summary>Tries.</summary>
    /// <exception cref="IOException">This process lacks a capability; the message says which.</exception>
    public static void Run(int? mark)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new IOException("PROXY_MODE=shared works with network namespaces, which only Linux has");
        }

        try
        {
            using var own = PodNamespace.Open("/proc/self/ns/net");
            using var socket = own.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            if (mark is { } value)
            {
                socket.SetRawSocketOption(
                    SocketOptionNumbers.LevelSocket, SocketOptionNumbers.SocketMark, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));
            }
        }
        catch (PodNetworkException e)
        {
            throw new IOException($"PROXY_MODE=shared makes sockets inside of pods, and this process may not: {e.Message}", e);
        }
        catch (SocketException e)
        {
            throw new IOException($"PROXY_MODE=shared marks its packets (PACKET_MARK), and this process may not: {e.Message}. It takes CAP_NET_ADMIN", e);
        }
    }
}
