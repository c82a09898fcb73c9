using System.Collections.Concurrent;
using System.Net;
using Ambient.Hbone.Connect;
using Microsoft.AspNetCore.Connections;

namespace Ambient.Hbone.AspNetCore;

/// <summary>
/// The server joint: tunnels handed in here are accepted by Kestrel as connections, so it serves HTTP inside HBONE.
/// Register it as Kestrel's <see cref="IConnectionListenerFactory"/> (beside the socket transport: it binds only
/// <see cref="HboneEndPoint"/>).
/// </summary>
public sealed class HboneTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly ConcurrentDictionary<HboneEndPoint, TunnelConnectionListener> _listeners = new();

    /// <inheritdoc/>
    public bool CanBind(EndPoint endpoint) => endpoint is HboneEndPoint;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The end point is no <see cref="HboneEndPoint"/>.</exception>
    /// <exception cref="AddressInUseException">The name is bound already.</exception>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        if (endpoint is not HboneEndPoint name)
        {
            throw new ArgumentException($"{endpoint} is no {nameof(HboneEndPoint)}", nameof(endpoint));
        }

        var listener = new TunnelConnectionListener(name, () => _listeners.TryRemove(name, out _));
        return _listeners.TryAdd(name, listener)
            ? new ValueTask<IConnectionListener>(listener)
            : throw new AddressInUseException($"{name} is bound already");
    }

    /// <summary>
    /// Hands a tunnel to the listener bound to <paramref name="endpoint"/> and waits until the server is done with it.
    /// The connection carries <see cref="IHboneConnectionFeature"/> and what <paramref name="configure"/> adds.
    /// </summary>
    /// <param name="endpoint">Which listener.</param>
    /// <param name="tunnel">Accepted tunnel; the connection owns it from here.</param>
    /// <param name="feature">What the connection says of itself.</param>
    /// <param name="cancellationToken">Ends the connection at once.</param>
    /// <param name="configure">Adds further features before the server sees the connection, or null.</param>
    /// <exception cref="InvalidOperationException">Nothing is bound to the end point; the tunnel is reset.</exception>
    public async Task ServeAsync(
        HboneEndPoint endpoint, HboneTunnel tunnel, IHboneConnectionFeature feature, CancellationToken cancellationToken, Action<ConnectionContext>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(tunnel);
        ArgumentNullException.ThrowIfNull(feature);
        var connection = new TunnelConnectionContext(tunnel, feature);
        configure?.Invoke(connection);
        if (!_listeners.TryGetValue(endpoint, out var listener) || !listener.TryAccept(connection))
        {
            connection.Abort();
            await connection.DisposeAsync().ConfigureAwait(false);
            throw new InvalidOperationException($"no server is bound to {endpoint}, or it is shutting down");
        }

        await using (cancellationToken.UnsafeRegister(static c => ((TunnelConnectionContext)c!).Abort(), connection).ConfigureAwait(false))
        {
            await connection.Completion.ConfigureAwait(false);
        }
    }
}
