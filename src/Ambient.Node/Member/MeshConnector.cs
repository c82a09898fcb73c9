using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// Makes the connections of an application's clients as the mesh says: the same decisions as at a ztunnel, without leaving the
/// process. For clients that <c>IHttpClientFactory</c> does not make: set <see cref="ConnectAsync"/> as
/// <see cref="SocketsHttpHandler.ConnectCallback"/>.
/// </summary>
public sealed class MeshConnector
{
    private static readonly TimeSpan s_connectionLifetime = TimeSpan.FromMinutes(2);

    private readonly MeshMember _member;
    private readonly NameRules _names;

    /// <summary>Created by the container.</summary>
    internal MeshConnector(MeshMember member, IOptions<AmbientMeshOptions> options)
    {
        _member = member;
        _names = new NameRules(options.Value.ClusterDomain);
    }

    /// <summary>Connects to where a request wants to go.</summary>
    /// <param name="context">Host and port.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The mesh has no way there, or the other side refused; the message says why.</exception>
    /// <exception cref="SocketException">A host outside the mesh cannot be reached.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var mesh = _member.Mesh;
        var source = _member.Self.Current ?? throw new IOException($"{_member.Self.Name} is not in the mesh: there is no identity to call with");

        // 1. The name: of the mesh, as a pod of this namespace would write it, or of the world outside.
        if (!IPAddress.TryParse(host, out var address))
        {
            var family = source.Addresses is [var first, ..] ? first.AddressFamily : AddressFamily.InterNetwork;
            address = MeshNames.Resolve(mesh, source, host, _names, family, Random.Shared);
            if (address is null)
            {
                return await ConnectOutsideAsync(host, port, cancellationToken).ConfigureAwait(false);
            }
        }

        // 2. Where to: a pure decision over one snapshot.
        var route = DestinationResolver.Resolve(mesh, source, new IPEndPoint(address, port), Random.Shared);
        if (route is not { Error: null, NextHop: { } nextHop })
        {
            throw new IOException($"{host}:{port}: {route.Error ?? "no valid routing destination"}");
        }

        // 3. The connection: a tunnel with our certificate, or plain TCP to those that are not in the mesh.
        switch (route.Protocol)
        {
            case ConnectionProtocol.Hbone or ConnectionProtocol.DoubleHbone:
                var request = ConnectRequests.For(new IPEndPoint(source.Addresses[0], 0), source, route);
                var tunnel = await _member.Client.ConnectAsync(request, cancellationToken).ConfigureAwait(false);
                if (route.Protocol == ConnectionProtocol.DoubleHbone)
                {
                    // What was reached is the other network's gateway; whom we call is behind it.
                    tunnel = await _member.Client.ConnectWithinAsync(tunnel, ConnectRequests.Within(request, source.Network, route), cancellationToken).ConfigureAwait(false);
                }

                return tunnel.AsStream();
            default:
                var socket = await _member.Connector.ConnectAsync(nextHop, null, cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
        }
    }

    /// <summary>Makes a handler connect through the mesh.</summary>
    internal void Configure(SocketsHttpHandler handler)
    {
        handler.ConnectCallback = ConnectAsync;

        // A proxy of the environment knows nothing of the mesh, and connections must not outlive what was decided for them by much.
        handler.UseProxy = false;
        if (handler.PooledConnectionLifetime == Timeout.InfiniteTimeSpan)
        {
            handler.PooledConnectionLifetime = s_connectionLifetime;
        }
    }

    private async ValueTask<Stream> ConnectOutsideAsync(string host, int port, CancellationToken cancellationToken)
    {
        if (host.EndsWith($".{_names.ClusterDomain}", StringComparison.OrdinalIgnoreCase))
        {
            // A cluster's name that the mesh does not know is known to nobody.
            throw new IOException($"{host}: no service of the mesh has this name");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
