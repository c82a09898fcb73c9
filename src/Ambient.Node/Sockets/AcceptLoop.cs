using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Admission;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Sockets;

/// <summary>
/// Accepts connections until told to stop, and hands each to a handler that owns it, unless the budget is spent. Only accepts: nothing here waits
/// for a connection.
/// </summary>
internal static partial class AcceptLoop
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs until <paramref name="stop"/>, then closes the listener.</summary>
    /// <param name="name">What is listened for, for the log.</param>
    /// <param name="listener">Listening socket; owned.</param>
    /// <param name="sockets">Sets up what is accepted.</param>
    /// <param name="handler">Owns an accepted socket; must not throw.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Told of failures to accept.</param>
    /// <param name="stop">Stops.</param>
    public static async Task RunAsync(
        string name, Socket listener, NodeSockets sockets, Func<Socket, Task> handler, TimeProvider time, ILogger logger, CancellationToken stop)
    {
        using (listener)
        {
            while (!stop.IsCancellationRequested)
            {
                Socket client;
                try
                {
                    client = await listener.AcceptAsync(stop).ConfigureAwait(false);
                    sockets.Accepted(client);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.InvalidArgument)
                {
                    // The client left before we came to it.
                    continue;
                }
                catch (SocketException e)
                {
                    // Out of descriptors or memory: what is open goes on, and room comes back when some of it ends.
                    LogAcceptFailed(logger, name, ErrorText.Of(e));
                    await Task.Delay(Pause, time, CancellationToken.None).ConfigureAwait(false);
                    continue;
                }

                Serve(client, sockets, handler);
            }
        }
    }

    private static void Serve(Socket client, NodeSockets sockets, Func<Socket, Task> handler)
    {
        ConnectionLease? lease;
        try
        {
            lease = sockets.Budget.TryOpen(((IPEndPoint)client.RemoteEndPoint!).Address);
            if (lease is null)
            {
                // The budget says so in the log, now and then.
                client.LingerState = new LingerOption(true, 0);
                client.Dispose();
                return;
            }
        }
        catch (SocketException)
        {
            // The client left before we came to it.
            client.Dispose();
            return;
        }

        _ = HoldAsync(lease, client, handler);
    }

    private static async Task HoldAsync(ConnectionLease lease, Socket client, Func<Socket, Task> handler)
    {
        using (lease)
        {
            await handler(client).ConfigureAwait(false);
        }
    }

    [LoggerMessage(1100, LogLevel.Error, "{Listener}: accepting failed: {Reason}; trying again")]
    private static partial void LogAcceptFailed(ILogger logger, string listener, string reason);
}
