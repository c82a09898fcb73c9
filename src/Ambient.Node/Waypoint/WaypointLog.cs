using System.Net;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Waypoint;

/// <summary>Log lines of a waypoint about connections, not requests.</summary>
internal sealed partial class WaypointLog(ILogger logger)
{
    /// <summary>A connection ended before HTTP/2 was up.</summary>
    public void HandshakeFailed(HboneHandshakeFailure failure) => LogHandshakeFailed(logger, failure.RemoteEndPoint, failure.LocalEndPoint, failure.Reason);

    /// <summary>A CONNECT was refused.</summary>
    public void Refused(HboneConnect connect, int status, string reason) =>
        LogRefused(logger, connect.RemoteEndPoint, connect.PeerIdentity, connect.Authority, status, reason);

    /// <summary>An opaque connection could not be made.</summary>
    public void NotReached(IPEndPoint source, SpiffeId identity, string destination, string reason) => LogNotReached(logger, source, identity, destination, reason);

    /// <summary>A tunnel ended by a fault of ours.</summary>
    public void Failed(HboneConnect connect, Exception error) => LogFailed(logger, error, connect.RemoteEndPoint, connect.PeerIdentity, connect.Authority);

    [LoggerMessage(5500, LogLevel.Warning, "handshake with {Peer} at {Local} failed: {Reason}")]
    private static partial void LogHandshakeFailed(ILogger logger, IPEndPoint peer, IPEndPoint local, string reason);

    [LoggerMessage(5501, LogLevel.Warning, "CONNECT by {Peer} ({Identity}) for {Authority} refused with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, IPEndPoint peer, SpiffeId identity, string authority, int status, string reason);

    [LoggerMessage(5502, LogLevel.Warning, "connection by {Peer} ({Identity}) to {Destination} failed: {Reason}")]
    private static partial void LogNotReached(ILogger logger, IPEndPoint peer, SpiffeId identity, string destination, string reason);

    [LoggerMessage(5503, LogLevel.Error, "tunnel of {Peer} ({Identity}) for {Authority} failed")]
    private static partial void LogFailed(ILogger logger, Exception error, IPEndPoint peer, SpiffeId identity, string authority);
}
