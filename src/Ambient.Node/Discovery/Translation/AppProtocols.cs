using Ambient.Mesh;

namespace Ambient.Node.Discovery.Translation;

/// <summary>What a service port speaks, from what was declared about it (https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/).</summary>
internal static class AppProtocols
{
    /// <summary>The protocol of a Service's port: appProtocol, else the prefix of its name, else known by its number.</summary>
    /// <param name="port">Port.</param>
    /// <param name="name">Name of the port, or empty.</param>
    /// <param name="transport"><c>TCP</c>, <c>UDP</c> or <c>SCTP</c>.</param>
    /// <param name="appProtocol">Declared application protocol, or null.</param>
    public static AppProtocol OfServicePort(int port, string name, string transport, string? appProtocol)
    {
        if (transport == "UDP")
        {
            return AppProtocol.Udp;
        }

        switch (appProtocol)
        {
            case "kubernetes.io/h2c":
                return AppProtocol.Http2;
            case "kubernetes.io/ws":
                return AppProtocol.Http11;
            case "kubernetes.io/wss":
                return AppProtocol.Tls;
        }

        var declared = appProtocol ?? name;
        if (declared.StartsWith("grpc-web", StringComparison.OrdinalIgnoreCase))
        {
            return AppProtocol.GrpcWeb;
        }

        var dash = declared.IndexOf('-', StringComparison.Ordinal);
        var prefix = dash < 0 ? declared : declared[..dash];
        var protocol = Parse(prefix);

        // Server-first protocols: waiting for the client's first bytes to detect one would hang the connection.
        return protocol == AppProtocol.Unknown && !IsKnown(prefix) && port is 25 or 53 or 3306 or 27017 ? AppProtocol.Tcp : protocol;
    }

    /// <summary>The protocol of a name such as <c>HTTP</c>, whatever its case.</summary>
    public static AppProtocol Parse(string name) => name.ToUpperInvariant() switch
    {
        "HTTP" => AppProtocol.Http11,
        "HTTP2" => AppProtocol.Http2,
        "GRPC" => AppProtocol.Grpc,
        "TLS" or "HTTPS" => AppProtocol.Tls,
        "TCP" => AppProtocol.Tcp,
        "MONGO" or "REDIS" or "MYSQL" => AppProtocol.ServerFirst,
        _ => AppProtocol.Unknown,
    };

    private static bool IsKnown(string name) => name.ToUpperInvariant() is "UDP" or "HTTP_PROXY";
}
