using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;

namespace Ambient.Node.Authorities;

/// <summary>How a SPIFFE Workload API is spoken to: gRPC without TLS on a local socket (SPIFFE Workload Endpoint, section 3).</summary>
internal static class WorkloadApiChannel
{
    private const int LargestAnswer = 16 * 1024 * 1024;
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Without it an agent answers nothing: a request that some proxy forwarded could not have it (the same section).</summary>
    public static Metadata Headers { get; } = new() { { "workload.spiffe.io", "true" } };

    /// <summary>A channel, which connects when it is first used.</summary>
    public static GrpcChannel Open(WorkloadApiAddress address) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        DisposeHttpClient = true,
        MaxReceiveMessageSize = LargestAnswer,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectTimeout = s_connectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectCallback = async (_, cancellationToken) => await ConnectAsync(address, cancellationToken).ConfigureAwait(false),
        },
    });

    /// <summary>Why a call ended, for a person.</summary>
    public static string Explain(WorkloadApiAddress address, RpcException failure)
    {
        for (Exception? cause = failure.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException)
            {
                return $"the SPIFFE Workload API at {address} cannot be reached: {cause.Message}";
            }
        }

        return failure.StatusCode switch
        {
            StatusCode.PermissionDenied => $"the SPIFFE Workload API at {address} has no identity for this process ({Printable(failure.Status.Detail)}): "
                + "register entries whose selectors match ztunnel's pod",
            var code => $"the SPIFFE Workload API at {address}: {code}: {Printable(failure.Status.Detail)}",
        };
    }

    /// <summary>A text of the agent's for a log line: control characters out, length bounded.</summary>
    public static string Printable(string text)
    {
        const int Shown = 256;
        return string.Concat((text.Length > Shown ? text[..Shown] + "..." : text).Select(c => c is < ' ' or > '~' ? '?' : c));
    }

    private static async ValueTask<Stream> ConnectAsync(WorkloadApiAddress address, CancellationToken cancellationToken)
    {
        var family = address.EndPoint.AddressFamily;
        var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            if (family != AddressFamily.Unix)
            {
                // An agent whose machine is gone says nothing more, and nothing is ever sent to it.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
            }

            await socket.ConnectAsync(address.EndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
