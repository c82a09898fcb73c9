using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams.Balancing;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Makes the connections to endpoints: an HBONE tunnel to those that speak it, with our own certificate and accepting
/// exactly the workload's identity, or one within another through the gateway of another network; plain TCP to the others. Within each, TLS where the
/// backend asks for it.
/// </summary>
/// <param name="client">Opens tunnels.</param>
/// <param name="connector">Makes plain connections.</param>
/// <param name="self">The workload that we are: whose identity is presented.</param>
/// <param name="io">Whose threads move the bytes; null: <see cref="HboneIo.Default"/>'s.</param>
internal sealed class UpstreamDialer(HboneClient client, ISocketConnector connector, LocalWorkload self, HboneIo? io = null)
{
    /// <summary>Port that serves HBONE.</summary>
    public const int HbonePort = 15008;

    private const int MostAddresses = 3;

    /// <summary>Finds addresses of endpoints that are known by their names.</summary>
    public NameResolver Names { get; init; } = new(ipv6: true, TimeProvider.System);

    /// <summary>What kind of proxy gateways of other networks are told that we are: <c>waypoint</c> or <c>gateway</c>; null: neither.</summary>
    public string? Kind { get; init; }

    /// <summary>Whose threads move the bytes.</summary>
    public HboneIo Io { get; } = io ?? HboneIo.Default;

    /// <summary>Connects to an endpoint.</summary>
    /// <param name="endpoint">Where to.</param>
    /// <param name="thread">The thread that is to serve a plain connection, as <see cref="HboneIo.CurrentThread"/> numbers them; -1: any.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="opaque">Whether bytes are passed on that nobody looks into, rather than HTTP.</param>
    /// <exception cref="UpstreamConnectException">Naming the workload and the cause.</exception>
    public async ValueTask<MessageChannel> DialAsync(UpstreamEndpoint endpoint, int thread, CancellationToken cancellationToken, bool opaque = false)
    {
        var workload = endpoint.Workload;
        try
        {
            if (endpoint.IsTunnelled)
            {
                var tunnel = await TunnelAsync(endpoint, cancellationToken).ConfigureAwait(false);
                return endpoint.Tls is null
                    ? await BeginAsync(MessageChannel.Over(tunnel), endpoint, opaque, cancellationToken).ConfigureAwait(false)
                    : await BeginTlsAsync(tunnel.AsStream(), endpoint, opaque, cancellationToken).ConfigureAwait(false);
            }

            var socket = await ConnectAsync(endpoint, cancellationToken).ConfigureAwait(false);
            try
            {
                KeepAlive(socket, endpoint.Limits?.Options.KeepAlive);
                return endpoint.Tls is null
                    ? await BeginAsync(MessageChannel.Over(socket, Io, thread), endpoint, opaque, cancellationToken).ConfigureAwait(false)
                    : await BeginTlsAsync(new NetworkStream(socket, ownsSocket: true), endpoint, opaque, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException and not UpstreamConnectException or SocketException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new UpstreamConnectException($"{workload.Namespace}/{workload.Name} at {endpoint.Where}: {e.Message}", e);
        }
    }

    /// <summary>Who the client is, before TLS, and then the rest of what goes before the bytes.</summary>
    private async ValueTask<MessageChannel> BeginTlsAsync(Stream stream, UpstreamEndpoint endpoint, bool opaque, CancellationToken cancellationToken)
    {
        var tls = await ProtectAsync(stream, endpoint, opaque, cancellationToken).ConfigureAwait(false);
        return await BeginAsync(MessageChannel.Over(tls), endpoint with { Proxy = null }, opaque, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Who the client is, where the endpoint wants to be told, and then TLS, where it wants that.</summary>
    private async ValueTask<Stream> ProtectAsync(Stream stream, UpstreamEndpoint endpoint, bool opaque, CancellationToken cancellationToken)
    {
        if (endpoint.Proxy is { } proxy)
        {
            try
            {
                await stream.WriteAsync(proxy.ToArray(), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                await stream.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }

        return endpoint.Tls switch
        {
            null => stream,
            { IsOfMesh: true } mesh => await client.AuthenticateAsync(stream, MeshTls.Request(mesh, Own.Identity, endpoint.Http2, opaque), cancellationToken).ConfigureAwait(false),
            _ => await UpstreamTls.ConnectAsync(stream, endpoint, opaque, cancellationToken).ConfigureAwait(false),
        };
    }

    /// <summary>What goes before the bytes: who the client is, and the way through a proxy.</summary>
    private static ValueTask<MessageChannel> BeginAsync(MessageChannel channel, UpstreamEndpoint endpoint, bool opaque, CancellationToken cancellationToken)
    {
        var tunnel = opaque ? endpoint.Tunnel : null;
        return endpoint.Proxy is null && tunnel is null ? new(channel) : IntroduceAsync(channel, endpoint.Proxy, tunnel, cancellationToken);
    }

    private static async ValueTask<MessageChannel> IntroduceAsync(MessageChannel channel, ProxyPreamble? proxy, ProxyTunnel? tunnel, CancellationToken cancellationToken)
    {
        try
        {
            if (proxy is not null)
            {
                await channel.SendFirstAsync(proxy.ToArray(), cancellationToken).ConfigureAwait(false);
            }

            if (tunnel is not null)
            {
                await UpstreamTunnel.OpenAsync(channel, tunnel, cancellationToken).ConfigureAwait(false);
            }

            return channel;
        }
        catch
        {
            await channel.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private ValueTask<Socket> ConnectAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken) => endpoint.HostName is { } name
        ? ConnectAsync(name, endpoint.Address.Port, endpoint.ChosenBy, cancellationToken)
        : connector.ConnectAsync(endpoint.Address, null, cancellationToken);

    /// <summary>Connects to one of the addresses of a name, begun with any of them: those that do not answer are passed over, up to three.</summary>
    private async ValueTask<Socket> ConnectAsync(string name, int port, IPAddress? chosenBy, CancellationToken cancellationToken)
    {
        var addresses = await Names.ResolveAsync(name, cancellationToken, chosenBy).ConfigureAwait(false)
            ?? throw new UpstreamConnectException($"{name} was not looked up: {Names.UnderWay} names are being looked up already, and this address has its share of them") { IsForRoom = true };
        if (addresses.Length == 0)
        {
            throw new IOException($"{name} has no address");
        }

        var first = Random.Shared.Next(addresses.Length);
        for (var i = 0; ; i++)
        {
            try
            {
                return await connector.ConnectAsync(new IPEndPoint(addresses[(first + i) % addresses.Length], port), null, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException) when (i + 1 < Math.Min(addresses.Length, MostAddresses))
            {
            }
        }
    }

    /// <summary>Connects to an endpoint, for what the node itself sends rather than requests.</summary>
    /// <param name="endpoint">Where to.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UpstreamConnectException">Naming the workload and the cause.</exception>
    public async ValueTask<Stream> DialStreamAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            Stream stream = endpoint.IsTunnelled
                ? (await TunnelAsync(endpoint, cancellationToken).ConfigureAwait(false)).AsStream()
                : new NetworkStream(await ConnectAsync(endpoint, cancellationToken).ConfigureAwait(false), ownsSocket: true);
            return await ProtectAsync(stream, endpoint, opaque: false, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException and not UpstreamConnectException or SocketException)
        {
            throw new UpstreamConnectException($"{endpoint.Workload.Namespace}/{endpoint.Workload.Name} at {endpoint.Where}: {e.Message}", e);
        }
    }

    private static void KeepAlive(Socket socket, TcpKeepAlive? asked)
    {
        if (asked is null)
        {
            return;
        }

        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        if (asked.Time is { } time)
        {
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, Seconds(time));
        }

        if (asked.Interval is { } interval)
        {
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Seconds(interval));
        }

        if (asked.Probes is { } probes)
        {
            // The kernel takes no more than 127 (tcp(7)).
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Math.Min(probes, 127));
        }

        static int Seconds(TimeSpan time) => (int)Math.Clamp(Math.Ceiling(time.TotalSeconds), 1, 32767);
    }

    private Workload Own => self.Current ?? throw new IOException($"our own workload {self.Name} is not in the mesh: there is no identity to present");

    private ValueTask<HboneTunnel> TunnelAsync(UpstreamEndpoint endpoint, CancellationToken cancellationToken) =>
        endpoint.Way is { } way ? TunnelAsync(endpoint.Workload, way, cancellationToken) : client.ConnectAsync(Request(endpoint), cancellationToken);

    /// <summary>A tunnel by another network's gateway or by a waypoint: where it is, and who it must be, the mesh says now.</summary>
    private async ValueTask<HboneTunnel> TunnelAsync(Workload workload, EndpointWay way, CancellationToken cancellationToken)
    {
        var (mesh, own) = (self.Mesh, Own);
        if (!mesh.Services.TryGetValue(way.Service, out var service) || !mesh.Workloads.TryGetValue(workload.Uid, out var endpoint)
            || DestinationResolver.ResolveEndpoint(mesh, own, service, endpoint, way.Port, Random.Shared) is not { } route)
        {
            throw new IOException("it is no longer in the mesh, or no longer reached in that way");
        }

        if (route.HostToResolve is { } name)
        {
            var addresses = await Names.ResolveAsync(name, cancellationToken).ConfigureAwait(false)
                ?? throw new UpstreamConnectException($"{name} was not looked up: {Names.UnderWay} names are being looked up already") { IsForRoom = true };
            route = DestinationResolver.Complete(route, new IPEndPoint(own.Addresses is [var near, ..] ? near : IPAddress.Any, way.Port), addresses, Random.Shared);
        }

        if (route is not { Error: null, NextHop: not null })
        {
            throw new IOException(route.Error);
        }

        var request = new HboneConnectRequest
        {
            NextHop = route.NextHop,
            Authority = route.Authority!,
            Source = own.Identity,
            AcceptedIdentities = route.AcceptedIdentities,
            AcceptedTrustDomains = route.AcceptedTrustDomains,
            Baggage = ConnectRequests.BaggageOf(own),
        };
        if (route.Protocol != ConnectionProtocol.DoubleHbone)
        {
            return await client.ConnectAsync(request, cancellationToken).ConfigureAwait(false);
        }

        var twice = new NetworkTunnel(client, route);
        try
        {
            return await twice.OpenAsync(request with { RequestSource = Kind }, own.Network, cancellationToken).ConfigureAwait(false);
        }
        catch (HboneException e)
        {
            throw new IOException($"{twice.Layer}: {e.Message}", e);
        }
    }

    private HboneConnectRequest Request(UpstreamEndpoint endpoint)
    {
        var own = Own;
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
