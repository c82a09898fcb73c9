using System.Net.Sockets;
using System.Security.Authentication;
using Grpc.Core;
using Grpc.Net.Client;

namespace Ambient.Node.ControlPlane;

/// <summary>A gRPC channel to the control plane, over TLS that verifies the server; calls authenticate by token.</summary>
internal sealed class ControlPlaneChannel : IDisposable
{
    private const int LargestMessage = 200 * 1024 * 1024;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(5);

    private readonly ControlPlaneOptions _options;
    private readonly ControlPlaneTrust _trust;
    private readonly GrpcChannel _channel;

    private ControlPlaneChannel(ControlPlaneOptions options, ControlPlaneTrust trust)
    {
        _options = options;
        _trust = trust;
        _channel = GrpcChannel.ForAddress(options.Address, new GrpcChannelOptions
        {
            HttpHandler = Handler(trust),
            DisposeHttpClient = true,
            MaxReceiveMessageSize = LargestMessage,
        });
    }

    /// <summary>Opens a channel with the roots as they are now. Nothing is connected before the first call.</summary>
    /// <exception cref="ControlPlaneException">The roots cannot be read.</exception>
    public static ControlPlaneChannel Open(ControlPlaneOptions options) => new(options, ControlPlaneTrust.Load(options));

    /// <summary>Makes calls.</summary>
    public CallInvoker Invoker => _channel.CreateCallInvoker();

    /// <summary>The headers of a call: who we are, read anew, and of which cluster.</summary>
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

    /// <summary>Why a call failed, for a person: what TLS refused goes before what gRPC made of it.</summary>
    public string Explain(RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AuthenticationException when _trust.Refusal is { } refusal:
                    return $"{_options.Name} server {_options.Address.Authority} is not trusted: {refusal}";
                case AuthenticationException:
                    return $"{_options.Name} server {_options.Address.Authority}: TLS failed: {cause.Message}";
                case SocketException:
                    return $"{_options.Name} server {_options.Address.Authority} cannot be reached: {cause.Message}";
                case OperationCanceledException or TimeoutException when cause.InnerException is null:
                    return $"{_options.Name} server {_options.Address.Authority} does not answer";
            }
        }

        return $"{_options.Name} server {_options.Address.Authority}: {failure.StatusCode}: {failure.Status.Detail}";
    }

    /// <summary>Whether a call failed before it reached a server.</summary>
    public static bool IsConnectFailure(RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException or AuthenticationException)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Ends every call and closes the connections.</summary>
    public void Dispose() => _channel.Dispose();

    private static SocketsHttpHandler Handler(ControlPlaneTrust trust) => new()
    {
        ConnectTimeout = ConnectTimeout,
        KeepAlivePingDelay = PingDelay,
        KeepAlivePingTimeout = PingTimeout,
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
        PooledConnectionIdleTimeout = IdleTimeout,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        SslOptions = trust.Tls(),
        ConnectCallback = static async (context, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                // A connection that says nothing for hours must not die unnoticed.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 300);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 75);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 9);
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
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
