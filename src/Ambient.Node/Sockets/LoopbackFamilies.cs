using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Sockets;

/// <summary>What "localhost" is in a network: 127.0.0.1, and ::1 where IPv6 is on there.</summary>
internal static class LoopbackFamilies
{
    private const string Off = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";

    /// <summary>Whether the loopback interface has IPv6, in the network of the thread that asks.</summary>
    public static bool HasIPv6 => Socket.OSSupportsIPv6 && (!File.Exists(Off) || File.ReadAllText(Off).Trim() != "1");

    /// <summary>Addresses of "localhost" in a network; null: the process's own.</summary>
    public static IPAddress[] Localhost(PodNamespace? network, bool ipv6Enabled) =>
        ipv6Enabled && (network is null ? HasIPv6 : network.Run(() => HasIPv6)) ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback];
}
