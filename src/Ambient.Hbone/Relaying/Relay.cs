using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>
/// Moves bytes both ways between a client side and a server side until both directions have ended. Each direction ends
/// alone: an end on one side is passed on as a half-close, and the other direction goes on. Sockets and
/// tunnels stay the caller's to dispose; disposing a socket whose relay failed or was aborted resets it.
/// </summary>
public static class Relay
{
    /// <summary>Relays between the client's tunnel and the server's socket (inbound).</summary>
    /// <param name="client">Tunnel that the client opened; nothing may have asked for its pipes.</param>
    /// <param name="server">Connected socket.</param>
    /// <param name="counters">Counts while the relay runs.</param>
    /// <param name="abort">Ends both directions at once.</param>
    public static ValueTask<RelayOutcome> RunAsync(HboneTunnel client, Socket server, RelayCounters counters, CancellationToken abort)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(counters);
        return TunnelRelay.RunAsync((StreamTunnel)client, server, counters, tunnelIsClient: true, abort);
    }

    /// <summary>Relays between the client's socket and the server's tunnel (outbound).</summary>
    /// <param name="client">Connected socket.</param>
    /// <param name="server">Tunnel to the server; nothing may have asked for its pipes.</param>
    /// <param name="counters">Counts while the relay runs.</param>
    /// <param name="abort">Ends both directions at once.</param>
    public static ValueTask<RelayOutcome> RunAsync(Socket client, HboneTunnel server, RelayCounters counters, CancellationToken abort)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(counters);
        return TunnelRelay.RunAsync((StreamTunnel)server, client, counters, tunnelIsClient: false, abort);
    }

    /// <summary>Relays between two sockets (passthrough).</summary>
    /// <param name="client">Connected socket.</param>
    /// <param name="server">Connected socket.</param>
    /// <param name="counters">Counts while the relay runs.</param>
    /// <param name="io">Whose threads move the bytes; null: <see cref="HboneIo.Default"/>'s.</param>
    /// <param name="abort">Ends both directions at once.</param>
    public static ValueTask<RelayOutcome> RunAsync(Socket client, Socket server, RelayCounters counters, HboneIo? io, CancellationToken abort)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(counters);
        return SocketRelay.RunAsync(client, server, counters, io ?? HboneIo.Default, abort);
    }

    /// <summary>
    /// Relays between two channels, beginning with what was looked at. What breaks on one side, or is aborted, breaks on the other as well, and does
    /// not look complete there. The channels stay the caller's to dispose.
    /// </summary>
    /// <param name="client">The client's side.</param>
    /// <param name="server">The server's side.</param>
    /// <param name="counters">Counts while the relay runs.</param>
    /// <param name="abort">Ends both directions at once.</param>
    public static ValueTask<RelayOutcome> RunAsync(MessageChannel client, MessageChannel server, RelayCounters counters, CancellationToken abort)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(counters);
        return ChannelRelay.RunAsync(client, server, counters, abort);
    }
}
