using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Connections;

/// <summary>
/// A tunnel into another network: one to its gateway, which sees the bytes and nothing of what is in them, and within that one to whoever serves there.
/// </summary>
/// <param name="client">Opens tunnels.</param>
/// <param name="route">The way.</param>
internal sealed class NetworkTunnel(HboneClient client, ConnectionRoute route)
{
    private bool _isThroughGateway;

    /// <summary>How far it came, for whoever says what failed.</summary>
    public string Layer => _isThroughGateway ? $"inner tunnel to {route.Authority} through network gateway {Gateway}" : $"network gateway {Gateway}";

    private string Gateway => NameOf(route);

    /// <summary>The first hop of a way, for people.</summary>
    public static string NameOf(ConnectionRoute route) =>
        route.NextHopWorkload is { } hop ? $"{hop.Namespace}/{hop.Name} ({route.NextHop})" : route.NextHop!.ToString();

    /// <summary>Opens both.</summary>
    /// <param name="outer">What the gateway is asked for.</param>
    /// <param name="network">Our network, which is told to whoever serves.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="HboneException">One of them could not be opened: <see cref="Layer"/> says which.</exception>
    public async ValueTask<HboneTunnel> OpenAsync(HboneConnectRequest outer, string network, CancellationToken cancellationToken)
    {
        var carrier = await client.ConnectAsync(outer, cancellationToken).ConfigureAwait(false);
        _isThroughGateway = true;
        return await client.ConnectWithinAsync(carrier, ConnectRequests.Within(outer, network, route), cancellationToken).ConfigureAwait(false);
    }
}
