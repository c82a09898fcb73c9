using System.Net;
using Ambient.Http;
using Ambient.Identity;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What an external authorizer is told of a request, or of a connection that is none of HTTP.</summary>
internal readonly record struct CheckFacts()
{
    /// <summary>Address of the peer.</summary>
    public required IPEndPoint Source { get; init; }

    /// <summary>Address that was connected to.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>Authenticated identity of the peer, or null.</summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>Our own identity, or null.</summary>
    public SpiffeId? Self { get; init; }

    /// <summary>Server name of the client's TLS; null or empty: none is known.</summary>
    public string? ServerName { get; init; }

    /// <summary>The request's head as it came; null: it is a connection.</summary>
    public RequestHead? Head { get; init; }

    /// <summary>Path and query as policies see them.</summary>
    public string Target { get; init; } = "";

    /// <summary>Scheme that the client used.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>When the request came.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>What the authorizer is told of the body.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Whether <see cref="Body"/> is not all of it; null: the authorizer is told nothing of bodies.</summary>
    public bool? IsPartial { get; init; }
}
