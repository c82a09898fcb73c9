using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What becomes of a request.</summary>
public enum RequestRouteKind
{
    /// <summary>Forward to <see cref="RequestRoute.Service"/>.</summary>
    Forward,

    /// <summary>Answer <see cref="RequestRoute.StatusCode"/>.</summary>
    Respond,

    /// <summary>No route is configured for the place: forward to the service that the client meant.</summary>
    Default,
}

/// <summary>The answer, with the route that gave it.</summary>
public sealed record RequestRoute
{
    /// <summary><see cref="Port"/> of a route that goes to the port which the request arrived at.</summary>
    public const int ArrivalPort = 0;

    /// <summary>What to do.</summary>
    public required RequestRouteKind Kind { get; init; }

    /// <summary>Service to forward to.</summary>
    public MeshService? Service { get; init; }

    /// <summary>Port of that service, or <see cref="ArrivalPort"/>.</summary>
    public int Port { get; init; }

    /// <summary>Subset of that service's endpoints; null: all of them.</summary>
    public string? Subset { get; init; }

    /// <summary>What the rule asks besides.</summary>
    public RoutePlan Plan { get; init; } = RoutePlan.Default;

    /// <summary>Who gets a copy.</summary>
    public ImmutableArray<RouteMirror> Mirrors { get; init; } = [];

    /// <summary>Who is asked about the request before anything is done with it, one after another; each may keep it out.</summary>
    public ImmutableArray<ExternalAuthorizer> Authorizers { get; init; } = [];

    /// <summary>Body to answer; empty: none.</summary>
    public string Body { get; init; } = "";

    /// <summary>Status to answer: 404 when nothing matches, 421 where the host is one of another listener, 500 for an invalid backend, 503 for one whose protection is not supported, 3xx for a redirect.</summary>
    public int StatusCode { get; init; }

    /// <summary>The route (<c>namespace/name</c>) and rule that matched, for logs; null when none.</summary>
    public string? Rule { get; init; }

    /// <summary>Why the answer is an error, in words; null when it is not an error.</summary>
    public string? Error { get; init; }

    /// <summary>The <c>location</c> header of a redirect; null otherwise.</summary>
    public string? Location { get; init; }

    /// <summary>Host header to send on instead of the client's; null leaves it.</summary>
    public string? Host { get; init; }

    /// <summary>Path to send on instead of the client's, without query; null leaves it.</summary>
    public string? Path { get; init; }

    /// <summary>Changes to the request's headers, to be made one after another. A change of Host changes the authority.</summary>
    public ImmutableArray<HeaderModification> RequestHeaders { get; init; } = [];

    /// <summary>Changes to the response's headers, to be made one after another.</summary>
    public ImmutableArray<HeaderModification> ResponseHeaders { get; init; } = [];

    internal static RequestRoute Default { get; } = new() { Kind = RequestRouteKind.Default };

    internal static RequestRoute NotFound { get; } = new() { Kind = RequestRouteKind.Respond, StatusCode = 404, Error = "no route matches" };

    /// <summary>The host is one of another listener than the connection's (RFC 9110 section 15.5.20).</summary>
    internal static RequestRoute Misdirected { get; } = new()
    {
        Kind = RequestRouteKind.Respond,
        StatusCode = 421,
        Error = "the host is one of another listener than the one whose server name the connection was made to",
    };

    /// <summary>The backend asks for TLS that cannot be made: sent in clear, a request would be less protected than was asked for.</summary>
    internal static RequestRoute Unprotected(string? rule, string hostname, string askedBy) => new()
    {
        Kind = RequestRouteKind.Respond,
        StatusCode = 503,
        Rule = rule,
        Error = $"{askedBy} asks for TLS to {hostname}, which cannot be made; nothing is sent to it in clear",
    };

    internal static RequestRoute Broken(string? rule, string error, int status = 500) =>
        new() { Kind = RequestRouteKind.Respond, StatusCode = status, Rule = rule, Error = error };
}
