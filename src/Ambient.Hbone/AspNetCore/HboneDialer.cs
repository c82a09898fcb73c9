using System.Net.Sockets;
using Ambient.Hbone.Connect;

namespace Ambient.Hbone.AspNetCore;

/// <summary>The client joint: a connect callback for <see cref="SocketsHttpHandler"/> that dials through HBONE.</summary>
public static class HboneDialer
{
    /// <summary>
    /// A callback that opens a tunnel for each new HTTP connection. <paramref name="resolve"/> says which; a null answer
    /// dials plainly.
    /// </summary>
    /// <param name="client">Opens the tunnels.</param>
    /// <param name="resolve">Where the connection goes; throws to refuse it.</param>
    public static Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> Create(
        HboneClient client,
        Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<HboneConnectRequest?>> resolve)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(resolve);
        return async (context, cancellationToken) =>
        {
            if (await resolve(context, cancellationToken).ConfigureAwait(false) is { } request)
            {
                var tunnel = await client.ConnectAsync(request, cancellationToken).ConfigureAwait(false);
                return tunnel.AsStream();
            }

            return await DialPlainlyAsync(context, cancellationToken).ConfigureAwait(false);
        };
    }

    private static async ValueTask<Stream> DialPlainlyAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
