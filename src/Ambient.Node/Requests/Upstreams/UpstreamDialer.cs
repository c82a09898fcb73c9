using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Makes the connections to endpoints: an HBONE tunnel to those that speak it, with our own certificate and accepting
/// exactly the workload's identity; plain TCP to the others.
/// </summary>
/// <param name="client">Opens tunnels.</param>
/// <param name="connector">Makes plain connections.</param>
/// <param name="self">The workload that we are: whose identity is presented.</param>
internal sealed class UpstreamDialer(HboneClient client, ISocketConnector connector, LocalWorkload self)
{
    /// <summary>Port that serves HBONE.</summary>
    public const int HbonePort = 15008;

    /// <summary>Connects to an endpoint, for an HTTP client.</summary>
    /// <exception cref="UpstreamConnectException">Naming the workload and the cause.</exception>
    public async ValueTask<Stream> ConnectAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken)
    {
        var (tunnel, socket) = await DialAsync(endpoint, cancellationToken).ConfigureAwait(false);
        return tunnel is not null ? tunnel.AsStream() : new NetworkStream(socket!, ownsSocket: true);
    }

    /// <summary>Connects to an endpoint, for bytes that are passed on as they come.</summary>
    /// <exception cref="UpstreamConnectException">Naming the workload and the cause.</exception>
    public async ValueTask<UpstreamLink> OpenAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken)
    {
        var (tunnel, socket) = await DialAsync(endpoint, cancellationToken).ConfigureAwait(false);
        return tunnel is not null ? new UpstreamLink(tunnel) : new UpstreamLink(socket!);
    }

    private async ValueTask<(HboneTunnel? Tunnel, Socket? Socket)> DialAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken)
    {
        var (workload, address) = (endpoint.Workload, endpoint.Address);
        try
        {
            if (endpoint.Waypoint is not null || workload.Protocol == TunnelProtocol.Hbone)
            {
                return (await client.ConnectAsync(Request(endpoint), cancellationToken).ConfigureAwait(false), null);
            }

            return (null, await connector.ConnectAsync(address, null, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception e) when (e is IOException or SocketException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new UpstreamConnectException($"{workload.Namespace}/{workload.Name} at {address}: {e.Message}", e);
        }
    }

    private HboneConnectRequest Request(in UpstreamEndpoint endpoint)
    {
        var own = self.Current ?? throw new IOException($"our own workload {self.Name} is not in the mesh: there is no identity to present");
        return new HboneConnectRequest
        {
            NextHop = endpoint.Waypoint?.NextHop ?? new IPEndPoint(endpoint.Address.Address, HbonePort),
            Authority = endpoint.Waypoint?.Authority ?? endpoint.Address.ToString(),
            Source = own.Identity,
            AcceptedIdentities = endpoint.Waypoint?.AcceptedIdentities ?? [endpoint.Workload.Identity],
            Baggage = ConnectRequests.BaggageOf(own),
        };
    }
}
