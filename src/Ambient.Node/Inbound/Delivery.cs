using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Node.Lifetime;
using Ambient.Node.Sockets;

namespace Ambient.Node.Inbound;

/// <summary>Connects to a workload on the node, from the client's address where the node may do that.</summary>
internal sealed class Delivery(NodeSockets sockets, TimeProvider time)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Whose threads move the bytes.</summary>
    public HboneIo? Io => sockets.Io;

    /// <summary>Connects to the loopback address of the workload's family, from loopback: only the workload itself listens there.</summary>
    /// <exception cref="SocketException">The workload refuses or cannot be reached.</exception>
    /// <exception cref="TimeoutException">It does not answer within 10 seconds.</exception>
    public ValueTask<Socket> ConnectToLoopbackAsync(IPEndPoint upstream, CancellationToken cancellationToken)
    {
        var loopback = upstream.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback;
        return ConnectAsync(new IPEndPoint(loopback, upstream.Port), loopback, cancellationToken);
    }

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">The workload refuses or cannot be reached.</exception>
    /// <exception cref="TimeoutException">It does not answer within 10 seconds.</exception>
    public async ValueTask<Socket> ConnectAsync(IPEndPoint upstream, IPAddress client, CancellationToken cancellationToken)
    {
        // From the workload's own address to itself the kernel needs no help, and replies to a spoofed one would bypass it.
        var source = sockets.KeepsSource && !client.Equals(upstream.Address) ? client : null;
        using var limit = new TimeLimit(Timeout, time, cancellationToken);
        try
        {
            return await sockets.ConnectToRelayAsync(upstream, source, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new TimeoutException($"connection timed out: no answer within {Timeout.TotalSeconds:0} s");
        }
    }
}
