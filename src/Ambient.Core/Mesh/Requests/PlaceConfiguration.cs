using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// What holds at one place, where a control plane has worked it out already: nothing else of the configuration is looked at for the place's
/// policies and routes.
/// </summary>
public sealed record PlaceConfiguration
{
    /// <summary>Key of the place for requests that are addressed to workloads themselves.</summary>
    public const string Workloads = "workloads";

    /// <summary>Policies, their targets not looked at.</summary>
    public ImmutableArray<RequestAuthorizationPolicy> Policies { get; init; } = [];

    /// <summary>Which tokens requests may carry.</summary>
    public ImmutableArray<RequestAuthentication> Authentications { get; init; } = [];

    /// <summary>Rules in the order in which they are tried; null: there are none. What no rule of a port with rules matches is answered with 404.</summary>
    public HttpRoute? Routes { get; init; }

    /// <summary>Where opaque connections go, by the port that they came to; a port that is not here: to the service itself.</summary>
    public ImmutableDictionary<int, StreamRoute> Streams { get; init; } = ImmutableDictionary<int, StreamRoute>.Empty;

    /// <summary>Ports that must not be served, and why: requests are answered with 503, connections closed.</summary>
    public ImmutableDictionary<int, string> Blocked { get; init; } = ImmutableDictionary<int, string>.Empty;

    /// <summary>
    /// What is logged, counted and traced, by the port that traffic came to (<see cref="PortTelemetry.AnyPort"/>: at every other); null: nothing is said of it.
    /// </summary>
    public ImmutableDictionary<int, PortTelemetry>? Telemetry { get; init; }

    /// <summary>Key of the place of an ingress gateway.</summary>
    /// <param name="gateway">Key of the Gateway.</param>
    public static string OfGateway(string gateway) => $"gateway {gateway}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(PlaceConfiguration? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Routes == other.Routes
            && SameTelemetry(Telemetry, other.Telemetry)
            && StructuralEquality.Same(Policies, other.Policies)
            && StructuralEquality.Same(Authentications, other.Authentications)
            && Streams.Count == other.Streams.Count
            && Streams.All(entry => other.Streams.TryGetValue(entry.Key, out var stream) && stream == entry.Value)
            && Blocked.Count == other.Blocked.Count
            && Blocked.All(entry => other.Blocked.TryGetValue(entry.Key, out var reason) && reason == entry.Value));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Policies.Length, Authentications.Length, Routes, Streams.Count, Blocked.Count);

    private static bool SameTelemetry(ImmutableDictionary<int, PortTelemetry>? left, ImmutableDictionary<int, PortTelemetry>? right) =>
        ReferenceEquals(left, right)
        || (left is not null && right is not null && left.Count == right.Count && left.All(entry => right.TryGetValue(entry.Key, out var other) && other == entry.Value));
}
