using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Requests;

/// <summary>
/// Kestrel by itself: parsing and protocols, over any transport, without the host, middleware and configuration around
/// it. Those would cost memory and time on every request and are of no use to a proxy.
/// </summary>
internal sealed class RequestServer : IAsyncDisposable
{
    // As Envoy: 60 KB of headers.
    private const int MaxHeaderBytes = 60 * 1024;

    private readonly KestrelServer _server;

    private RequestServer(KestrelServer server) => _server = server;

    /// <summary>Starts to serve what <paramref name="listen"/> adds.</summary>
    public static async Task<RequestServer> StartAsync(
        IConnectionListenerFactory transport, RequestPipeline pipeline, ILoggerFactory loggers, Action<KestrelServerOptions> listen, CancellationToken cancellationToken)
    {
        var options = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowAlternateSchemes = true,
            AllowHostHeaderOverride = true,
            RequestHeaderEncodingSelector = static _ => Encoding.Latin1,
            ResponseHeaderEncodingSelector = static _ => Encoding.Latin1,
        };
        options.Limits.MaxRequestBodySize = null;
        options.Limits.MinRequestBodyDataRate = null;
        options.Limits.MinResponseDataRate = null;
        options.Limits.MaxRequestLineSize = MaxHeaderBytes;
        options.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        options.Limits.Http2.MaxRequestHeaderFieldSize = MaxHeaderBytes;
        options.Limits.KeepAliveTimeout = TimeSpan.FromHours(1);
        listen(options);
        var server = new KestrelServer(Options.Create(options), transport, loggers);
        await server.StartAsync(new RequestApplication(pipeline), cancellationToken).ConfigureAwait(false);
        return new RequestServer(server);
    }

    /// <summary>Accepts nothing more, lets requests finish until the token is cancelled, then ends them.</summary>
    public Task StopAsync(CancellationToken deadline) => _server.StopAsync(deadline);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }
}
