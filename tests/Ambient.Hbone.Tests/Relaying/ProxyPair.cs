using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Two proxies with HBONE between them: what an application's connection goes through.</summary>
internal sealed class ProxyPair : IAsyncDisposable
{
    private readonly HbonePair _hbone = new();
    private readonly Socket _listener;
    private readonly CancellationTokenSource _abort = new();
    private readonly TaskCompletionSource<RelayOutcome> _outbound = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<RelayOutcome> _inbound = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IPEndPoint _app;

    private ProxyPair(IPEndPoint app)
    {
        _app = app;
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
    }

    public HbonePair Hbone => _hbone;

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

    public RelayCounters OutboundCounters { get; } = new();

    public RelayCounters InboundCounters { get; } = new();

    /// <summary>Outcome of the first relay to end.</summary>
    public Task<RelayOutcome> OutboundOutcome => _outbound.Task;

    public Task<RelayOutcome> InboundOutcome => _inbound.Task;

    public static ProxyPair Start(IPEndPoint app, Action<HbonePair>? configure = null)
    {
        var pair = new ProxyPair(app);
        configure?.Invoke(pair._hbone);
        pair._hbone.Start(pair.InboundAsync);
        _ = pair.AcceptAsync();
        return pair;
    }

    public void Abort() => _abort.Cancel();

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _hbone.DisposeAsync();
        _abort.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = OutboundAsync(await _listener.AcceptAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task OutboundAsync(Socket client)
    {
        using (client)
        {
            try
            {
                client.NoDelay = true;
                await using var tunnel = await _hbone.Client.ConnectAsync(_hbone.Request(_app.ToString()));
                _outbound.TrySetResult(await Relay.RunAsync(client, tunnel, OutboundCounters, _abort.Token));
            }
            catch (Exception e)
            {
                _outbound.TrySetException(e);
            }
        }
    }

    private async ValueTask InboundAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPEndPoint.Parse(connect.Authority), cancellationToken);
        }
        catch (SocketException)
        {
            connect.Reject(503);
            return;
        }

        await using var tunnel = connect.Accept();
        _inbound.TrySetResult(await Relay.RunAsync(tunnel, socket, InboundCounters, CancellationToken.None));
    }
}
