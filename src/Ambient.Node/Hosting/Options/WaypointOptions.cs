namespace Ambient.Node.Hosting.Options;

/// <summary>Settings of a waypoint or ingress gateway process. Immutable.</summary>
public sealed class WaypointOptions
{
    /// <summary>What every host has.</summary>
    public required HostOptions Host { get; init; }

    /// <summary>Name of the Gateway that is served (<c>GATEWAY_NAME</c>).</summary>
    public required string GatewayName { get; init; }

    /// <summary>Its namespace (<c>POD_NAMESPACE</c>).</summary>
    public required string Namespace { get; init; }

    /// <summary>
    /// Name of our own pod (<c>POD_NAME</c>); null: the one that the Gateway expands to, <c>{gateway}-0</c> for a waypoint and
    /// <c>{gateway}-istio-0</c> for an ingress gateway.
    /// </summary>
    public string? PodName { get; init; }

    /// <summary>Added to listener ports when binding (<c>AMBIENT_LISTENER_PORT_OFFSET</c>), for users who may not bind ports below 1024. Default 0.</summary>
    public int ListenerPortOffset { get; init; }
}
