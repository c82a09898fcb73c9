using System.Net.Sockets;
using System.Security.Authentication;
using Grpc.Core;
using Grpc.Net.Client;

namespace Ambient.Node.ControlPlane;

/// <summary>A gRPC channel to the control plane, over TLS that verifies the server; calls authenticate by token.</summary>
internal sealed class ControlPlaneChannel : IDisposable
{
    internal const int LargestMessage = 200 * 1024 * 1024;

    // Bytes that a server may have under way on a stream. From 64 KB HttpClient lets it grow, or not, by what it takes for the round trip: a large mesh then comes in
    // thousands of pieces of 8 KB with a WINDOW_UPDATE for each, and leaves megabytes of garbage.
    private const int StreamWindow = 512 * 1024;

    // RFC 9113 section 6.9.2.
    private const int UsualWindow = 65_535;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(5);

    private readonly ControlPlaneOptions _options;
    private readonly ControlPlaneTrust _trust;
    private readonly GrpcChannel _channel;

    private ControlPlaneChannel(ControlPlaneOptions options, ControlPlaneTrust trust, LongField? pieces)
    {
        _options = options;
        _trust = trust;
        _channel = GrpcChannel.ForAddress(options.Address, new GrpcChannelOptions
        {
            HttpHandler = pieces is null ? Handler(trust) : new PiecesHandler(Handler(trust, StreamWindow), pieces),
            DisposeHttpClient = true,
            MaxReceiveMessageSize = LargestMessage,
        });
    }

    /// <summary>Opens a channel with the roots as they are now. Nothing is connected before the first call.</summary>
    /// <param name="options">Where the server is, and who it must be.</param>
    /// <param name="pieces">Has messages of answers come as <see cref="MessagePieces"/>, and takes their long fields; null: they come whole.</param>
    /// <exception cref="ControlPlaneException">The roots cannot be read.</exception>
    public static ControlPlaneChannel Open(ControlPlaneOptions options, LongField? pieces = null) => new(options, ControlPlaneTrust.Load(options), pieces);

    /// <summary>Makes calls over this channel.</summary>
    public CallInvoker Invoker => _channel.CreateCallInvoker();

    /// <summary>The headers of a call: the token, read again each time, and the cluster.</summary>
    /// <exception cref="ControlPlaneException">The token cannot be read.</exception>
    public async ValueTask<Metadata> HeadersAsync(CancellationToken cancellationToken)
    {
        var headers = new Metadata { { "clusterid", _options.ClusterId } };
        if (_options.Token is { } token)
        {
            headers.Add("authorization", $"Bearer {await ReadAsync(token, cancellationToken).ConfigureAwait(false)}");
        }

        foreach (var (name, value) in _options.Headers)
        {
            headers.Add(name, value);
        }

        return headers;
    }

    /// <summary>Why a call failed, for a person. A reason found by TLS takes precedence over what gRPC made of it.</summary>
    public string Explain(RpcException failure)
    {
        if (IsGoodbye(failure))
        {
            return $"{_options.Name} server {_options.Address.Authority} closed the connection in good order";
        }

        var connecting = IsConnectFailure(failure);
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AuthenticationException when _trust.Refusal is { } refusal:
                    return $"{_options.Name} server {_options.Address.Authority} is not trusted: {refusal}";
                case AuthenticationException:
                    return $"{_options.Name} server {_options.Address.Authority}: TLS failed: {cause.Message}";
                case SocketException when connecting:
                    return $"{_options.Name} server {_options.Address.Authority} cannot be reached: {cause.Message}";
                case OperationCanceledException or TimeoutException when cause.InnerException is null:
                    return $"{_options.Name} server {_options.Address.Authority} does not answer";
                case HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded } when !connecting:
                    return $"{_options.Name} server {_options.Address.Authority}: the connection was lost: the server's side closed or reset it without a goodbye";
                case IOException when !connecting:
                    return $"{_options.Name} server {_options.Address.Authority}: the connection was lost: {cause.GetBaseException().Message}";
            }
        }

        return $"{_options.Name} server {_options.Address.Authority}: {failure.StatusCode}: {failure.Status.Detail}{HintFor(failure)}";
    }

    /// <summary>What to do about a refusal, to be appended to the server's own words; empty when there is no advice.</summary>
    public string HintFor(RpcException failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        return failure.StatusCode != StatusCode.Unauthenticated ? ""
            : _options.Token is null
                ? $" (no token was sent, for there is no file {ControlPlaneOptions.DefaultToken}: mount a service account token with the audience istio-ca there, or set AUTH_TOKEN)"
            : File.Exists(_options.Token)
                ? $" (the token is from {_options.Token}: see that it has the audience istio-ca and has not expired)"
            : _options.Token.StartsWith('/') || _options.Token.StartsWith("./", StringComparison.Ordinal)
                ? $" (there is no file {_options.Token}, so its name was sent as the token: mount the token there, or set AUTH_TOKEN)"
            : " (the token that was sent is the value of AUTH_TOKEN itself)";
    }

    /// <summary>
    /// Whether the server said goodbye (GOAWAY with NO_ERROR, RFC 9113 section 6.8) and closed the connection: istiod does that every half
    /// hour, so that its clients spread over its replicas again.
    /// </summary>
    public static bool IsGoodbye(RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException { ErrorCode: 0 })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a call failed because no connection to the server was made, rather than because one was lost.</summary>
    public static bool IsConnectFailure(RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException or TimeoutException
                or HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a call failed in transit: no connection was made, or it was lost. Otherwise the server answered.</summary>
    public static bool IsTransportFailure(RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is IOException or SocketException)
            {
                return true;
            }
        }

        return IsConnectFailure(failure);
    }

    /// <summary>Ends every call and closes the connections.</summary>
    public void Dispose() => _channel.Dispose();

    private static SocketsHttpHandler Handler(ControlPlaneTrust trust, int window = UsualWindow) => new()
    {
        InitialHttp2StreamWindowSize = window,
        ConnectTimeout = ConnectTimeout,
        KeepAlivePingDelay = PingDelay,
        KeepAlivePingTimeout = PingTimeout,
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
        PooledConnectionIdleTimeout = IdleTimeout,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        SslOptions = trust.Tls(),
        ConnectCallback = static (context, cancellationToken) => GrpcSocket.ConnectAsync(context.DnsEndPoint, cancellationToken),
        PlaintextStreamFilter = static (context, _) => new(new ResetAsEndStream(context.PlaintextStream)),
    };

    private async ValueTask<string> ReadAsync(string token, CancellationToken cancellationToken)
    {
        if (!File.Exists(token))
        {
            return token;
        }

        string text;
        try
        {
            text = (await File.ReadAllTextAsync(token, cancellationToken).ConfigureAwait(false)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlPlaneException($"{_options.Name}: the token {token} cannot be read: {e.Message}", e);
        }

        return text.Length > 0 ? text : throw new ControlPlaneException($"{_options.Name}: the token {token} is empty");
    }
}
