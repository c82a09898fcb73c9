using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway;

/// <summary>One listener port of a gateway: its connections, admitted by the budget, speak HTTP/1.1, or HTTP/2
/// with prior knowledge or as TLS has agreed.</summary>
internal sealed class GatewayPort : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _end = new();
    private readonly NodeSockets _sockets;
    private readonly MessageServer _server;
    private readonly GatewayTls? _tls;
    private readonly Task _accepting;

    /// <summary>Opens the port.</summary>
    /// <param name="bound">Where to listen.</param>
    /// <param name="sockets">Makes and admits sockets.</param>
    /// <param name="pipeline">Answers requests.</param>
    /// <param name="tls">TLS of its connections; null: they are in clear.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Told of failures to accept.</param>
    /// <exception cref="IOException">The address cannot be had.</exception>
    public GatewayPort(IPEndPoint bound, NodeSockets sockets, RequestPipeline pipeline, GatewayTls? tls, TimeProvider time, ILogger logger)
    {
        _sockets = sockets;
        _tls = tls;
        var listener = sockets.Listen("gateway", bound, transparent: false);
        _server = new MessageServer(pipeline, pipeline.ServerOptions, time);
        _accepting = AcceptLoop.RunAsync($"listener {bound}", listener, sockets, ServeAsync, time, logger, _stop.Token);
    }

    /// <summary>Whether its connections are protected by TLS.</summary>
    public bool IsTls => _tls is not null;

    /// <summary>Accepts nothing more, and lets requests finish until the token is cancelled.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        await _server.StopAsync(deadline).ConfigureAwait(false);
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
        MessageChannel channel;
        GatewayConnection connection;
        HttpProtocolVersion? version = null;
        try
        {
            var remote = EndPoints.Remote(socket);
            connection = new GatewayConnection(remote, _tls is not null);
            if (_tls is null)
            {
                channel = MessageChannel.Over(socket, _sockets.Io ?? HboneIo.Default);
            }
            else if (await _tls.AcceptAsync(socket, _sockets.Budget, remote.Address, _end.Token).ConfigureAwait(false) is { } stream)
            {
                // A client that names no protocol speaks HTTP/1.1.
                version = stream.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11;
                connection = connection with { ClientCertificate = stream.RemoteCertificate is X509Certificate2 certificate ? ForwardedCertificate.Of(certificate) : null };
                channel = MessageChannel.Over(stream);
            }
            else
            {
                return;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // The client left before we came to it.
            socket.Dispose();
            return;
        }

        await _server.ServeAsync(channel, connection, version, _end.Token).ConfigureAwait(false);
    }
}
