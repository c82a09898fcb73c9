using Ambient.Hbone.Messages;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>A request's turn on a connection to an endpoint.</summary>
/// <param name="Exchange">The exchange; disposing it gives the connection back.</param>
/// <param name="IsReused">Whether the connection has served other requests before.</param>
internal readonly record struct UpstreamTurn(ClientExchange Exchange, bool IsReused);
