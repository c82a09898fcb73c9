using System.Net.Sockets;
using Ambient.Node.ControlPlane;
using Grpc.Core;
using Grpc.Net.Client;

namespace Ambient.Node.Authorities;

/// <summary>Channels to a SPIFFE Workload API: gRPC without TLS on a local socket (SPIFFE Workload Endpoint, section 3).</summary>
internal static class WorkloadApiChannel
{
    private const int LargestAnswer = 16 * 1024 * 1024;
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Agents refuse calls without this header, because a request that a proxy was tricked into forwarding would not carry it (same section).</summary>
    public static Metadata Headers { get; } = new() { { "workload.spiffe.io", "true" } };

    /// <summary>Creates a channel, which connects on first use.</summary>
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
            ConnectCallback = (_, cancellationToken) => GrpcSocket.ConnectAsync(address.EndPoint, cancellationToken),
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

    /// <summary>Makes a text from the agent safe for a log line: no control characters, bounded length.</summary>
    public static string Printable(string text)
    {
        const int Shown = 256;
        return string.Concat((text.Length > Shown ? text[..Shown] + "..." : text).Select(c => c is < ' ' or > '~' ? '?' : c));
    }
}
