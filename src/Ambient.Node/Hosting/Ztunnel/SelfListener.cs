using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Node.Connections;
using Ambient.Node.Sockets;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>
/// HBONE for the ztunnel's own pod (ztunnel <c>proxyfactory.rs</c>), in its own network: so that whoever scrapes metrics from inside of the mesh
/// reaches 15020 through a tunnel, as any other workload's port. Nothing is spoofed and nothing marked here: nothing is redirected.
/// </summary>
internal sealed class SelfListener : IAsyncDisposable
{
    private readonly HboneListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    /// <summary>Binds and begins to accept.</summary>
    /// <exception cref="IOException">The port cannot be had.</exception>
    public SelfListener(HboneListeners listeners, NodeSockets sockets, LocalWorkload self)
    {
        ArgumentNullException.ThrowIfNull(listeners);
        ArgumentNullException.ThrowIfNull(sockets);
        _listener = listeners.Create(sockets.Listen("own HBONE", new IPEndPoint(sockets.Any, ReservedPorts.Hbone), transparent: false), self, this);
        _running = _listener.RunAsync(_stop.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _listener.DisposeAsync().ConfigureAwait(false);
        try
        {
            await _running.ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // Accepting had failed before; its end is what was wanted now.
        }

        _stop.Dispose();
    }
}
