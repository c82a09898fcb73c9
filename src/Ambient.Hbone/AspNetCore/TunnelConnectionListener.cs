using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace Ambient.Hbone.AspNetCore;

/// <summary>Where Kestrel accepts tunnels that were handed to the transport.</summary>
internal sealed class TunnelConnectionListener(HboneEndPoint endPoint, Action onUnbound) : IConnectionListener
{
    // Unbounded here, bounded where tunnels come from: streams per connection, connections per listener.
    private readonly Channel<TunnelConnectionContext> _accepted = Channel.CreateUnbounded<TunnelConnectionContext>();

    public EndPoint EndPoint => endPoint;

    public bool TryAccept(TunnelConnectionContext connection) => _accepted.Writer.TryWrite(connection);

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await _accepted.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            return null;
        }
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        onUnbound();
        _accepted.Writer.TryComplete();
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync(CancellationToken.None).ConfigureAwait(false);
        while (_accepted.Reader.TryRead(out var connection))
        {
            connection.Abort();
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }
}
