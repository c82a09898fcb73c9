using Ambient.Policy.Authentication;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What routes may ask of a request.</summary>
/// <param name="Port">Port that the request arrived at: the service's at a waypoint, the listener's at a gateway.</param>
/// <param name="Host">Host header.</param>
/// <param name="Method">Method.</param>
/// <param name="Path">Normalised path, without query.</param>
/// <param name="Query">Query string, without the question mark.</param>
/// <param name="Header">The value of a header, or null. The name is compared without case.</param>
public readonly record struct RouteFacts(int Port, string Host, string Method, string Path, string Query, Func<string, string?> Header)
{
    /// <summary>Scheme that the client used, <c>http</c> or <c>https</c>.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>Namespace of the workload that called, from its identity; null where nobody vouches for one. Consumer routes are for callers of theirs.</summary>
    public string? CallerNamespace { get; init; }

    /// <summary>What the request's token says, once it was verified, where routes may ask for it; null: nothing.</summary>
    public TokenClaims? Claims { get; init; }

    /// <summary>Server name of the connection's TLS, empty when it had none; null: the connection is in clear.</summary>
    public string? ServerName { get; init; }
}
