using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Lifetime;
using Ambient.Node.Sockets;
using Ambient.Policy.Authorization;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway;

/// <summary>
/// One listener port of a gateway: its connections, admitted by the budget, speak HTTP/1.1, or HTTP/2 with prior knowledge or as TLS has agreed; or
/// they are passed on as they are.
/// </summary>
internal sealed partial class GatewayPort : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _end = new();
    private readonly NodeSockets _sockets;
    private readonly MessageServer _server;
    private readonly GatewayPortUse _use;
    private readonly Task _accepting;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
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
        _time = time;
        _logger = logger;
        var listener = sockets.Listen("gateway", bound, transparent: false);
        _server = new MessageServer(use.Pipeline, use.Pipeline.ServerOptions, time);
        _accepting = AcceptLoop.RunAsync($"listener {bound}", listener, sockets, ServeAsync, time, logger, _stop.Token);
    }

    /// <summary>Whether its connections are protected by TLS.</summary>
    public bool IsTls => _use.Tls is not null;

    /// <summary>Whether its connections are plain TCP that nobody looks into.</summary>
    public bool IsOpaque => _use.IsOpaque;

    /// <summary>Address that its listeners bind to; null: the gateway's own.</summary>
    public IPAddress? Bind { get; init; }

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
            var peer = EndPoints.Remote(socket);
            IPEndPoint? proxy = null;
            var remote = peer;
            if (_use.ExpectsProxyHeader())
            {
                // The proxy may speak for itself; whom it speaks for else is never the peer that certificates and budgets are about.
                remote = (await ReadProxyHeaderAsync(socket, peer).ConfigureAwait(false)).Source is { } said ? PlainAddress.Of(said) : peer;
                proxy = ReferenceEquals(remote, peer) ? null : peer;
            }

            if (_use.Tls is not { } tls)
            {
                var channel = MessageChannel.Over(socket, _sockets.Io ?? HboneIo.Default);
                await (_use.IsOpaque ? CarryAsync(channel, remote, proxy, null) : ServeAsync(channel, new GatewayConnection(remote) { Proxy = proxy }, null)).ConfigureAwait(false);
                return;
            }

            if (await tls.AcceptAsync(socket, _sockets.Budget, peer.Address, _sockets.Io ?? HboneIo.Default, _end.Token).ConfigureAwait(false) is not { } arrival)
            {
                return;
            }

            if (arrival is { Stream: { } stream, Listener.CarriesRequests: true })
            {
                var connection = new GatewayConnection(
                    remote, IsTls: true, arrival.IsClientVerified && stream.RemoteCertificate is X509Certificate2 certificate ? ForwardedCertificate.Of(certificate) : null)
                {
                    ServerName = arrival.ServerName,
                    Proxy = proxy,
                };

                // A client that names no protocol speaks HTTP/1.1.
                var version = stream.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11;
                await ServeAsync(MessageChannel.Over(stream), connection, version).ConfigureAwait(false);
                return;
            }

            await CarryAsync(arrival.Opaque ?? MessageChannel.Over(arrival.Stream!), remote, proxy, arrival.ServerName).ConfigureAwait(false);
        }
        catch (InvalidDataException e)
        {
            LogBadHeader(_logger, EndPoints.Remote(socket), _use.Address, e.Message);
            socket.Dispose();
        }
#pragma warning disable CA1031 // Whatever goes wrong with one connection ends that one, and leaves no socket behind.
        catch (Exception)
#pragma warning restore CA1031
        {
            // The client left before we came to it, or what it sent cannot be read.
            socket.Dispose();
        }
    }

    /// <summary>The header of the PROXY protocol, within the time that handshakes have, too.</summary>
    private async ValueTask<ProxyHeader> ReadProxyHeaderAsync(Socket socket, IPEndPoint peer)
    {
        using var patience = new TimeLimit(s_patience, _time, _end.Token);
        try
        {
            return await ProxyHeaderReader.ReadAsync(socket, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new InvalidDataException($"PROXY protocol: {peer} sent no header within {s_patience.TotalSeconds} s", e);
        }
    }

    private Task ServeAsync(MessageChannel channel, GatewayConnection connection, HttpProtocolVersion? version) =>
        _server.ServeAsync(channel, connection, version, _end.Token);

    private async Task CarryAsync(MessageChannel channel, IPEndPoint remote, IPEndPoint? proxy, string? serverName)
    {
        lock (_gate)
        {
            _streams++;
        }

        try
        {
            await _use.Streams.CarryAsync(channel, new ConnectionFacts(proxy ?? remote, _use.Address, null) { Remote = proxy is null ? null : remote }, serverName, _use.Pipeline, this, _end.Token).ConfigureAwait(false);
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

    [LoggerMessage(5607, LogLevel.Warning, "connection by {Peer} to listener {Listener} closed: {Reason}")]
    private static partial void LogBadHeader(ILogger logger, IPEndPoint peer, IPEndPoint listener, string reason);
}
