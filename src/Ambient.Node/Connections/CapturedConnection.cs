using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Connections;

/// <summary>A connection that was caught on its way: by redirection or because the client asked a SOCKS5 port.</summary>
/// <param name="Client">The client's socket; owned by whoever handles the connection.</param>
/// <param name="Source">The client's address.</param>
/// <param name="Destination">Where it was going.</param>
/// <param name="Accepted">Timestamp of its accept.</param>
/// <param name="Workload">On whose behalf.</param>
/// <param name="Owner">What it ends with, besides the process.</param>
internal readonly record struct CapturedConnection(
    Socket Client, IPEndPoint Source, IPEndPoint Destination, long Accepted, LocalWorkload Workload, object? Owner)
{
    /// <summary>Closes the client's connection with a reset, so that it notices at once.</summary>
    public void Reset() => Reset(Client);

    /// <summary>Closes a connection with a reset, so that its other end notices at once.</summary>
    public static void Reset(Socket client)
    {
        ArgumentNullException.ThrowIfNull(client);
        try
        {
            client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        client.Dispose();
    }
}
