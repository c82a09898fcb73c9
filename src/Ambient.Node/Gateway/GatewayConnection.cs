using System.Net;

namespace Ambient.Node.Gateway;

/// <summary>What a request at a gateway knows of the connection it came on.</summary>
/// <param name="RemoteEndPoint">Where it came from; of a connection by a proxy that speaks the PROXY protocol, where the client's did.</param>
/// <param name="IsTls">Whether it was protected by TLS.</param>
/// <param name="ClientCertificate">What endpoints are told of the client's certificate, which was verified; null: there was none.</param>
internal sealed record GatewayConnection(IPEndPoint RemoteEndPoint, bool IsTls = false, string? ClientCertificate = null)
{
    /// <summary>The peer's IP address as text, sent to the endpoint with every request.</summary>
    public string SourceText { get; } = RemoteEndPoint.Address.ToString();

    /// <summary>The proxy that made it and said where the client's came from; null: nobody did.</summary>
    public IPEndPoint? Proxy { get; init; }

    /// <summary>The server name that its TLS was made for; empty: the client named none. Null in clear.</summary>
    public string? ServerName { get; init; }
}
