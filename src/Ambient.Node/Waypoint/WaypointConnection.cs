using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Identity;

namespace Ambient.Node.Waypoint;

/// <summary>What a request at a waypoint knows of the tunnel it came through.</summary>
internal sealed class WaypointConnection(HboneConnect connect, WaypointDestination destination)
{
    /// <summary>Who opened it.</summary>
    public SpiffeId PeerIdentity { get; } = connect.PeerIdentity;

    /// <summary>What the CONNECT asked for.</summary>
    public string Authority { get; } = connect.Authority;

    /// <summary>Where it came from.</summary>
    public IPEndPoint RemoteEndPoint { get; } = connect.RemoteEndPoint;

    /// <summary>
    /// Server name in the TLS handshake that the tunnel carries: empty where it carries none, null as long as it is not known.
    /// </summary>
    public string? ServerName { get; set; }

    /// <summary>What the tunnel is for, as resolved when it was opened.</summary>
    public WaypointDestination Target { get; } = destination;
}
