using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Node.Connections;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway;

/// <summary>
/// One listener port of a gateway: its connections, admitted by the budget, speak HTTP/1.1, or HTTP/2 with prior knowledge or as TLS has agreed; or
/// they are passed on as they are.
/// </summary>
internal sealed class GatewayPort : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _end = new();
    private readonly NodeSockets _sockets;
    private readonly MessageServer _server;
    private readonly GatewayPortUse _use;
    private readonly Task _accepting;
    private readonly Lock _gate = new();
    private TaskCompletionSource? _empty;
    private int _streams;

    /// <summary>Opens the port.</summary>
    /// <param name="bound">Where to listen.</param>
    /// <param name="sockets">Makes and admits sockets.</param>
    /// <param name="use">What is done with its connections.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Told of failures to accept.</param>
    /// <exception cref="IOException">The address cannot be had.</exception>
    public GatewayPort(IPEndPoint bound, NodeSockets sockets, GatewayPortUse use, TimeProvider time, ILogger logger)
    {
        _sockets = sockets;
        _use = use;
        var listener = sockets.Listen("gateway", bound, transparent: false);
        _server = new MessageServer(use.Pipeline, use.Pipeline.ServerOptions, time);
        _accepting = AcceptLoop.RunAsync($"listener {bound}", listener, sockets, ServeAsync, time, logger, _stop.Token);
    }

    /// <summary>Whether its connections are protected by TLS.</summary>
    public bool IsTls => _use.Tls is not null;

    /// <summary>Whether its connections are plain TCP that nobody looks into.</summary>
    public bool IsOpaque => _use.IsOpaque;

    /// <summary>Tells clients to go on elsewhere, and still accepts.</summary>
    public void LeadOn() => _server.LeadOn();

    /// <summary>Accepts nothing more, and lets requests and connections finish until the token is cancelled.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        await _server.StopAsync(deadline).ConfigureAwait(false);
        Task empty;
        lock (_gate)
        {
            empty = _streams == 0 ? Task.CompletedTask : (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        await empty.WaitAsync(deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _use.Connections.End(ConnectionEnd.Drain, flow => flow.Owner == this);
        await empty.ConfigureAwait(false);
    }

    /// <summary>Ends everything at once.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _end.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        await _server.DisposeAsync().ConfigureAwait(false);
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            var remote = EndPoints.Remote(socket);
            if (_use.Tls is not { } tls)
            {
                var channel = MessageChannel.Over(socket, _sockets.Io ?? HboneIo.Default);
                await (_use.IsOpaque ? CarryAsync(channel, remote, null) : ServeAsync(channel, new GatewayConnection(remote), null)).ConfigureAwait(false);
                return;
            }

            if (await tls.AcceptAsync(socket, _sockets.Budget, remote.Address, _sockets.Io ?? HboneIo.Default, _end.Token).ConfigureAwait(false) is not { } arrival)
            {
                return;
            }

            if (arrival is { Stream: { } stream, Listener.CarriesRequests: true })
            {
                var connection = new GatewayConnection(
                    remote, IsTls: true, arrival.IsClientVerified && stream.RemoteCertificate is X509Certificate2 certificate ? ForwardedCertificate.Of(certificate) : null)
                {
                    ServerName = arrival.ServerName,
                };

                // A client that names no protocol speaks HTTP/1.1.
                var version = stream.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11;
                await ServeAsync(MessageChannel.Over(stream), connection, version).ConfigureAwait(false);
                return;
            }

            await CarryAsync(arrival.Opaque ?? MessageChannel.Over(arrival.Stream!), remote, arrival.ServerName).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // The client left before we came to it.
            socket.Dispose();
        }
    }

    private Task ServeAsync(MessageChannel channel, GatewayConnection connection, HttpProtocolVersion? version) =>
        _server.ServeAsync(channel, connection, version, _end.Token);

    private async Task CarryAsync(MessageChannel channel, IPEndPoint remote, string? serverName)
    {
        lock (_gate)
        {
            _streams++;
        }

        try
        {
            await _use.Streams.CarryAsync(channel, remote, _use.Address, serverName, _use.Pipeline, this, _end.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                if (--_streams == 0)
                {
                    _empty?.TrySetResult();
                }
            }
        }
    }
}
