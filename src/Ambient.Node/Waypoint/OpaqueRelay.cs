using System.Net;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Waypoint;

/// <summary>
/// Opaque connections through a waypoint: policy looks at the connection as a whole, then bytes are relayed to an
/// endpoint (reference/waypoint.md 3.7).
/// </summary>
internal sealed class OpaqueRelay(WaypointEntrance entrance, LocalWorkload self, UpstreamDialer dialer, WaypointLog log)
{
    /// <summary>Serves a CONNECT for a port that is declared opaque: answered only once the endpoint is reached.</summary>
    public async ValueTask RunAsync(HboneConnect connect, WaypointDestination destination, CancellationToken cancellationToken)
    {
        var connection = new WaypointConnection(connect, destination);
        if (!IsAllowed(connection, out var place))
        {
            connect.Reject(401);
            return;
        }

        var upstream = await DialAsync(connection, place!, cancellationToken).ConfigureAwait(false);
        if (upstream is null)
        {
            connect.Reject(503);
            return;
        }

        await using (upstream.ConfigureAwait(false))
        {
            var tunnel = connect.Accept();
            await using (tunnel.ConfigureAwait(false))
            {
                await StreamRelay.RunAsync(tunnel, upstream, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Serves a tunnel that turned out not to carry HTTP.</summary>
    public async ValueTask RunAsync(HboneTunnel tunnel, WaypointConnection connection, CancellationToken cancellationToken)
    {
        var upstream = IsAllowed(connection, out var place) ? await DialAsync(connection, place!, cancellationToken).ConfigureAwait(false) : null;
        if (upstream is null)
        {
            tunnel.Abort();
            return;
        }

        await using (upstream.ConfigureAwait(false))
        {
            await StreamRelay.RunAsync(tunnel, upstream, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsAllowed(WaypointConnection connection, out RequestPlace? place)
    {
        place = entrance.Find(connection.Target);
        if (place is null)
        {
            log.NotReached(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, "it is no longer in the mesh, or no longer bound to this waypoint");
            return false;
        }

        var decision = RequestAuthorizer.Authorize(
            place.Policies, new ConnectionFacts(connection.RemoteEndPoint, connection.Target.Address, connection.PeerIdentity));
        if (!decision.IsAllowed)
        {
            log.Denied(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, decision.ToString());
        }

        return decision.IsAllowed;
    }

    private async ValueTask<Stream?> DialAsync(WaypointConnection connection, RequestPlace place, CancellationToken cancellationToken)
    {
        var target = connection.Target;
        List<Workload> failed = [];
        while (true)
        {
            UpstreamEndpoint? endpoint = target.Workload is { } workload
                ? EndpointChoice.ForWorkload(workload, target.Address, http2Client: false)
                : self.Current is { } own ? EndpointChoice.ForService(place.Mesh, own, place.Service!, target.Address.Port, http2Client: false, failed) : null;
            if (endpoint is not { } chosen)
            {
                log.NotReached(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, "no healthy endpoint");
                return null;
            }

            try
            {
                return await dialer.ConnectAsync(chosen, cancellationToken).ConfigureAwait(false);
            }
            catch (UpstreamConnectException e)
            {
                log.NotReached(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, e.Message);
                failed.Add(chosen.Workload);
                if (failed.Count >= 3)
                {
                    return null;
                }
            }
        }
    }
}
