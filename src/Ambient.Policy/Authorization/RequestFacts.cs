using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Authorization;

/// <summary>What L7 policy may ask of a request.</summary>
public readonly record struct RequestFacts()
{
    /// <summary>Authenticated identity of the peer, or null.</summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>Address of the peer.</summary>
    public required IPEndPoint Source { get; init; }

    /// <summary>Address of the client, where a proxy in front has said it in the PROXY protocol; null: it is the peer's, or what X-Forwarded-For says.</summary>
    public IPEndPoint? Remote { get; init; }

    /// <summary>Address and port of the inner connection: service port at a waypoint.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>Method, as sent.</summary>
    public required string Method { get; init; }

    /// <summary>The <c>:authority</c> or Host header, with the port as sent.</summary>
    public required string Host { get; init; }

    /// <summary>Normalised path, without query.</summary>
    public required string Path { get; init; }

    /// <summary>Scheme that the client used: <c>http</c> or <c>https</c>.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>Query as sent, without the question mark; empty when there is none.</summary>
    public string Query { get; init; } = "";

    /// <summary>The value of a header, several joined with a comma, or null. The name is compared without case.</summary>
    public required Func<string, string?> Header { get; init; }

    /// <summary>What the request's token says, once it was verified; null where it has none.</summary>
    public TokenClaims? Claims { get; init; }

    /// <summary>Server name of the client's own TLS, where the proxy terminated it; null otherwise.</summary>
    public string? ServerName { get; init; }

    /// <summary>The external authorizer that was asked about the request and has let it in; null: none. The word of another one than policies name does not count.</summary>
    public ExternalAuthorizer? LetInBy { get; init; }

    /// <summary>
    /// The policies whose CUSTOM ones were asked about the request before its token was looked at
    /// (<see cref="RequestAuthorizer.Question(RequestPolicies, in RequestFacts)"/>): what they said stands for as long as they say the same. Null: none were.
    /// </summary>
    public RequestPolicies? Questioned { get; init; }
}
