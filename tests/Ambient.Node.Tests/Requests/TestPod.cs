using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// A pod on a loopback address of its own: an HTTP server, and in front of it what a ztunnel's inbound side does, real TLS and all.
/// </summary>
internal sealed class TestPod : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HboneListener? _listener;

    private TestPod(Workload workload, WebApplication app, HboneListener? listener)
    {
        Workload = workload;
        _app = app;
        _listener = listener;
    }

    public Workload Workload { get; }

    public string Name => Workload.Name;

    /// <summary>Requests that reached the app.</summary>
    public ConcurrentQueue<SeenRequest> Requests { get; } = new();

    /// <summary>Who opened tunnels to this pod, and what for.</summary>
    public ConcurrentQueue<(SpiffeId Identity, string Authority, IPAddress Source)> Tunnels { get; } = new();

    public static async Task<TestPod> StartAsync(Workload workload, ISvidSource svids, Action<WebApplication>? map = null, Action<IServiceCollection>? services = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        services?.Invoke(builder.Services);
        var address = workload.Addresses[0];
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(address, 8080, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(address, 9000, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var app = builder.Build();
        TestPod? pod = null;
        app.Use(async (http, next) =>
        {
            pod!.Requests.Enqueue(new SeenRequest(
                http.Request.Method,
                http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget,
                http.Request.Protocol,
                http.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString()),
                http.Connection.RemoteIpAddress!));
            http.Response.Headers["x-pod"] = workload.Name;
            await next(http);
        });
        map?.Invoke(app);
        app.MapFallback(async http =>
        {
            http.Response.Headers.Server = "app";
            await http.Response.WriteAsync($"hello from {workload.Name}");
        });
        HboneListener? listener = null;
        if (workload.Protocol == TunnelProtocol.Hbone)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 15008));
            socket.Listen();
            listener = new HboneListener(
                socket, new HboneServerOptions(), svids, (_, _) => new ValueTask<SpiffeId?>(workload.Identity), (connect, token) => pod!.DeliverAsync(connect, token));
            _ = listener.RunAsync();
        }

        pod = new TestPod(workload, app, listener);
        await app.StartAsync();
        return pod;
    }

    public async ValueTask DisposeAsync()
    {
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        await _app.DisposeAsync();
    }

    private async ValueTask DeliverAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        Tunnels.Enqueue((connect.PeerIdentity, connect.Authority, connect.RemoteEndPoint.Address));
        using var socket = await SocketConnector.Default.ConnectAsync(IPEndPoint.Parse(connect.Authority), null, cancellationToken);
        await using var tunnel = connect.Accept();
        await Relay.RunAsync(tunnel, socket, new RelayCounters(), cancellationToken);
    }
}

/// <summary>A request as an app saw it.</summary>
internal sealed record SeenRequest(string Method, string Target, string Protocol, Dictionary<string, string> Headers, IPAddress Source);
