using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;

namespace Ambient.Attack;

/// <summary>Connections to a gateway, or tunnels of one identity to a waypoint for one of its services.</summary>
/// <param name="target">Where it listens.</param>
/// <param name="kind">Which of the two it is.</param>
/// <param name="svid">Who opens tunnels.</param>
/// <param name="from">The address to come from.</param>
internal sealed class EngineClient(IPEndPoint target, AttackTarget kind, X509Svid svid, IPAddress from) : IAsyncDisposable
{
    private readonly HboneClient _client = new(new HboneClientOptions(), new Source(svid));

    /// <summary>Opens one; at a waypoint to <paramref name="service"/>.</summary>
    public async Task<Stream> OpenAsync(string service, CancellationToken cancellationToken)
    {
        if (kind == AttackTarget.Gateway)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                socket.Bind(new IPEndPoint(from, 0));
                await socket.ConnectAsync(target, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        var tunnel = await _client.ConnectAsync(
            new HboneConnectRequest
            {
                NextHop = new IPEndPoint(target.Address, 15008),
                Authority = $"{service}.default.svc.cluster.local:80",
                Source = svid.Id,
                AcceptedIdentities = [SpiffeId.ForServiceAccount("cluster.local", "default", "waypoint")],
                SourceAddress = from,
            },
            cancellationToken);
        return tunnel.AsStream();
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private sealed class Source(X509Svid svid) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(svid);
    }
}
