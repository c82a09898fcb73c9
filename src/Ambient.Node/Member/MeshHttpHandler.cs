using System.Net;

namespace Ambient.Node.Member;

/// <summary>
/// A client's primary handler. HTTP/2 puts every request to a service on one connection, and so on one replica; until requests are balanced
/// one by one, HTTP/2 requests take turns between <see cref="LaneCount"/> handlers, each with connections of its own. HTTP/1.1 opens a
/// connection for each request in flight and needs one handler.
/// </summary>
internal sealed class MeshHttpHandler : HttpMessageHandler
{
    /// <summary>HTTP/2 connections to a service, at most; more replicas than this are not all used at once.</summary>
    public const int LaneCount = 4;

    private readonly SocketsHttpHandler _first;
    private readonly HttpMessageInvoker?[] _lanes = new HttpMessageInvoker?[LaneCount];
    private readonly Lock _opening = new();
    private uint _turn;
    private bool _disposed;

    public MeshHttpHandler(SocketsHttpHandler handler)
    {
        _first = handler;
        _lanes[0] = new HttpMessageInvoker(handler, disposeHandler: true);
    }

    /// <inheritdoc/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) => LaneOf(request).Send(request, cancellationToken);

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        LaneOf(request).SendAsync(request, cancellationToken);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_opening)
            {
                _disposed = true;
                foreach (var lane in _lanes)
                {
                    lane?.Dispose();
                }
            }
        }

        base.Dispose(disposing);
    }

    private HttpMessageInvoker LaneOf(HttpRequestMessage request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var multiplexed = request.Version >= HttpVersion.Version20 || request.VersionPolicy == HttpVersionPolicy.RequestVersionOrHigher;
        var lane = multiplexed ? (int)(Interlocked.Increment(ref _turn) % LaneCount) : 0;
        return Volatile.Read(ref _lanes[lane]) ?? Open(lane);
    }

    private HttpMessageInvoker Open(int lane)
    {
        lock (_opening)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _lanes[lane] ??= new HttpMessageInvoker(Copy(_first), disposeHandler: true);
        }
    }

    /// <summary>A second handler with the settings of the first. Cookies are shared, being one container.</summary>
    internal static SocketsHttpHandler Copy(SocketsHttpHandler from) => new()
    {
        ActivityHeadersPropagator = from.ActivityHeadersPropagator,
        AllowAutoRedirect = from.AllowAutoRedirect,
        AutomaticDecompression = from.AutomaticDecompression,
        ConnectCallback = from.ConnectCallback,
        ConnectTimeout = from.ConnectTimeout,
        CookieContainer = from.CookieContainer,
        Credentials = from.Credentials,
        DefaultProxyCredentials = from.DefaultProxyCredentials,
        EnableMultipleHttp2Connections = from.EnableMultipleHttp2Connections,
        EnableMultipleHttp3Connections = from.EnableMultipleHttp3Connections,
        Expect100ContinueTimeout = from.Expect100ContinueTimeout,
        InitialHttp2StreamWindowSize = from.InitialHttp2StreamWindowSize,
        KeepAlivePingDelay = from.KeepAlivePingDelay,
        KeepAlivePingPolicy = from.KeepAlivePingPolicy,
        KeepAlivePingTimeout = from.KeepAlivePingTimeout,
        MaxAutomaticRedirections = from.MaxAutomaticRedirections,
        MaxConnectionsPerServer = from.MaxConnectionsPerServer,
        MaxResponseDrainSize = from.MaxResponseDrainSize,
        MaxResponseHeadersLength = from.MaxResponseHeadersLength,
        MeterFactory = from.MeterFactory,
        PlaintextStreamFilter = from.PlaintextStreamFilter,
        PooledConnectionIdleTimeout = from.PooledConnectionIdleTimeout,
        PooledConnectionLifetime = from.PooledConnectionLifetime,
        PreAuthenticate = from.PreAuthenticate,
        Proxy = from.Proxy,
        RequestHeaderEncodingSelector = from.RequestHeaderEncodingSelector,
        ResponseDrainTimeout = from.ResponseDrainTimeout,
        ResponseHeaderEncodingSelector = from.ResponseHeaderEncodingSelector,
        SslOptions = from.SslOptions,
        UseCookies = from.UseCookies,
        UseProxy = from.UseProxy,
    };
}
