using Ambient.Mesh;

namespace Ambient.Policy.Routing.Streams;

/// <summary>What becomes of a connection whose bytes are not looked into.</summary>
public sealed record StreamDecision
{
    /// <summary>Service to forward to; null: it is refused, and <see cref="Error"/> says why.</summary>
    public MeshService? Service { get; init; }

    /// <summary><see cref="Port"/> of a route that goes to the port which the connection came to.</summary>
    public const int ArrivalPort = 0;

    /// <summary>Port of that service, or <see cref="ArrivalPort"/>.</summary>
    public int Port { get; init; }

    /// <summary>Subset of that service's endpoints; null: all of them.</summary>
    public string? Subset { get; init; }

    /// <summary>Whether the proxy makes the TLS that the backend asks for; else the bytes go as they are.</summary>
    public bool OriginatesTls { get; init; }

    /// <summary>Limits of the connection that the route says; null: none.</summary>
    public StreamLimits? Limits { get; init; }

    /// <summary>Kind and key of the route, for logs; null where none is configured.</summary>
    public string? Route { get; init; }

    /// <summary>Why it is refused, in words; null when it is not.</summary>
    public string? Error { get; init; }

    internal static StreamDecision Refuse(string? route, string error) => new() { Route = route, Error = error };
}
