using System.Net;

namespace Ambient.Node.Connections;

/// <summary>Ports that ztunnel itself listens on inside a workload's network: a connection to one of them is a call to ourselves.</summary>
internal sealed class ReservedPorts(bool socks5)
{
    /// <summary>Captured outbound connections.</summary>
    public const int Outbound = 15001;

    /// <summary>Captured inbound plaintext connections.</summary>
    public const int InboundPlaintext = 15006;

    /// <summary>HBONE.</summary>
    public const int Hbone = 15008;

    /// <summary>SOCKS5.</summary>
    public const int Socks5 = 15080;

    /// <summary>Error text of a refused connection.</summary>
    public const string Error = "attempted recursive call to ourselves";

    /// <summary>The ports, ascending.</summary>
    public IReadOnlySet<int> Numbers { get; } =
        new SortedSet<int>(socks5 ? [Outbound, InboundPlaintext, Hbone, Socks5] : [Outbound, InboundPlaintext, Hbone]);

    /// <summary>Whether a port is ours.</summary>
    public bool Contains(int port) => Numbers.Contains(port);

    /// <summary>Whether an outbound destination is this ztunnel itself; at other addresses these ports belong to others.</summary>
    public bool IsOurselves(IPEndPoint destination) => IPAddress.IsLoopback(destination.Address) && Contains(destination.Port);
}
