using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// Makes the connections of an application's clients as the mesh says: the same decisions as at a ztunnel, without leaving the
/// process. Clients that <c>IHttpClientFactory</c> does not make (<c>new HttpClient()</c>, <c>GrpcChannel.ForAddress</c>) know nothing of
/// the mesh: give them <see cref="CreateHandler"/>, for example as <c>GrpcChannelOptions.HttpHandler</c>.
/// </summary>
public sealed class MeshConnector
{
    private static readonly TimeSpan s_connectionLifetime = TimeSpan.FromMinutes(2);

    /// <summary>How many candidates a new connection chooses from; where several replicas serve, the one with the fewest connections is taken.</summary>
    private const int Choices = 4;

    private readonly ConcurrentDictionary<(IPEndPoint Hop, string Authority), int> _open = new();
    private readonly MeshMember _member;
    private readonly NameRules _names;

    /// <summary>Created by the container.</summary>
    internal MeshConnector(MeshMember member, IOptions<AmbientMeshOptions> options)
    {
        _member = member;
        _names = new NameRules(options.Value.ClusterDomain, PodNames: options.Value.Manifests is not null);
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
        var route = Choose(mesh, source, new IPEndPoint(address, port));
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

                return new CountingStream(tunnel.AsStream(), Count(KeyOf(route)));
            default:
                var socket = await _member.Connector.ConnectAsync(nextHop, null, cancellationToken).ConfigureAwait(false);
                return new CountingStream(new NetworkStream(socket, ownsSocket: true), Count(KeyOf(route)));
        }
    }

    /// <summary>
    /// A primary handler whose connections go through the mesh, for clients that <c>IHttpClientFactory</c> does not make. HTTP/2 requests are
    /// spread over a few connections, each to a replica of its own where there are several; with HTTP/1.1 every connection chooses.
    /// </summary>
    /// <param name="handler">
    /// Its settings are used, apart from <see cref="SocketsHttpHandler.ConnectCallback"/> and <see cref="SocketsHttpHandler.UseProxy"/>, which are
    /// replaced; it belongs to the result from here on. Null: a new one.
    /// </param>
    public HttpMessageHandler CreateHandler(SocketsHttpHandler? handler = null)
    {
        handler ??= new SocketsHttpHandler();
        Configure(handler);
        return new MeshHttpHandler(handler);
    }

    /// <summary>Rolls several times and keeps the route with the fewest connections of ours: the decision itself stays a pure function.</summary>
    private ConnectionRoute Choose(MeshSnapshot mesh, Workload source, IPEndPoint destination)
    {
        var best = DestinationResolver.Resolve(mesh, source, destination, Random.Shared);
        for (var i = 1; i < Choices && best is { Error: null, NextHop: not null } && OpenTo(best) > 0; i++)
        {
            var other = DestinationResolver.Resolve(mesh, source, destination, Random.Shared);
            if (other is { Error: null, NextHop: not null } && OpenTo(other) < OpenTo(best))
            {
                best = other;
            }
        }

        return best;
    }

    private int OpenTo(ConnectionRoute route) => _open.GetValueOrDefault(KeyOf(route));

    private static (IPEndPoint Hop, string Authority) KeyOf(ConnectionRoute route) => (route.NextHop!, route.Authority ?? "");

    /// <summary>Counts a connection; what comes back counts it out again, and keeps nothing of a replica that no connection leads to.</summary>
    private Action Count((IPEndPoint Hop, string Authority) to)
    {
        _open.AddOrUpdate(to, 1, static (_, open) => open + 1);
        return () =>
        {
            if (_open.AddOrUpdate(to, 0, static (_, open) => open - 1) <= 0)
            {
                _open.TryRemove(new KeyValuePair<(IPEndPoint, string), int>(to, 0));
            }
        };
    }

    /// <summary>Makes a handler connect through the mesh.</summary>
    private void Configure(SocketsHttpHandler handler)
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
