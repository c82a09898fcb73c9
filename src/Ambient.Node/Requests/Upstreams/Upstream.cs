using System.Text;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Connections to one endpoint in one protocol. Counted by the requests that use it: retired when the endpoint leaves the
/// mesh, closed when the last of them has ended.
/// </summary>
internal sealed class Upstream
{
    private int _users = 1;

    /// <summary>Creates the connections' pool; nothing is dialled yet.</summary>
    public Upstream(UpstreamEndpoint endpoint, UpstreamDialer dialer, UpstreamOptions options)
    {
        Endpoint = endpoint;
        var handler = new SocketsHttpHandler
        {
            ActivityHeadersPropagator = null,
            AllowAutoRedirect = false,
            AutomaticDecompression = System.Net.DecompressionMethods.None,
            ConnectCallback = (_, cancellationToken) => dialer.ConnectAsync(endpoint, cancellationToken),
            ConnectTimeout = options.ConnectTimeout,
            EnableMultipleHttp2Connections = true,
            MaxResponseHeadersLength = options.MaxResponseHeadersKilobytes,
            PooledConnectionIdleTimeout = options.IdleTimeout,

            // Headers are bytes that belong to the applications: passed through as they are.
            RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
            ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
            UseCookies = false,
            UseProxy = false,
        };
        Invoker = new HttpMessageInvoker(handler, disposeHandler: true);
    }

    /// <summary>Where the connections go.</summary>
    public UpstreamEndpoint Endpoint { get; }

    /// <summary>Sends a request over one of them.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>Whether no request uses it now, only the pool holds it.</summary>
    public bool IsUnused => Volatile.Read(ref _users) == 1;

    /// <summary>Counts a request in; false when the upstream is closed already.</summary>
    public bool TryAcquire()
    {
        for (var users = Volatile.Read(ref _users); users > 0;)
        {
            var seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Counts a request out. Also called once by the pool, for its own hold.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Invoker.Dispose();
        }
    }
}
