using System.Net;
using Ambient.Node.Connections;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Requests.Serving;

namespace Ambient.Node.Gateway;

/// <summary>What is done with the connections of a listener port.</summary>
/// <param name="Address">Address and port as the Gateway declares them, whatever port is really bound.</param>
/// <param name="Pipeline">Answers requests.</param>
/// <param name="Streams">Carries what is not looked into.</param>
/// <param name="Connections">What is open.</param>
internal sealed record GatewayPortUse(IPEndPoint Address, RequestPipeline Pipeline, GatewayStreams Streams, ConnectionTable Connections)
{
    /// <summary>Whether connections begin with a header of the PROXY protocol, now.</summary>
    public required Func<bool> ExpectsProxyHeader { get; init; }

    /// <summary>TLS of its connections; null: they are in clear.</summary>
    public GatewayTls? Tls { get; init; }

    /// <summary>Whether its connections are plain TCP that nobody looks into.</summary>
    public bool IsOpaque { get; init; }
}
