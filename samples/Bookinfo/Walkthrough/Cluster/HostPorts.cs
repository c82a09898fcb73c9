using System.Net;
using System.Net.Sockets;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>
/// Where a host answers for operators: the reference's ports plus an offset, since several hosts share this machine.
/// </summary>
/// <param name="Offset">Added to every one.</param>
internal readonly record struct HostPorts(int Offset)
{
    private const int Step = 100;

    /// <summary>Admin: config dump, log level, quit.</summary>
    public int Admin => 15000 + Offset;

    /// <summary>Prometheus metrics.</summary>
    public int Metrics => 15020 + Offset;

    /// <summary>Readiness.</summary>
    public int Readiness => 15021 + Offset;

    /// <summary>The first offset from <paramref name="from"/> on whose three ports nobody listens on.</summary>
    public static HostPorts FindFree(int from)
    {
        for (var offset = from; offset < 40_000; offset += Step)
        {
            var ports = new HostPorts(offset);
            if (IsFree(IPAddress.Any, ports.Admin) && IsFree(IPAddress.Any, ports.Metrics) && IsFree(IPAddress.Any, ports.Readiness))
            {
                return ports;
            }
        }

        throw new InvalidOperationException("no free ports for the admin endpoints of a host");
    }

    /// <summary>The next candidate after these.</summary>
    public int NextOffset => Offset + Step;

    /// <summary>Whether an address and port can be listened on.</summary>
    public static bool IsFree(IPAddress address, int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
