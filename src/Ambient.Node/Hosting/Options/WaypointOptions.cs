using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Membership;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;

namespace Ambient.Node.Hosting.Options;

/// <summary>Settings of a waypoint or ingress gateway process. Not to be changed once the waypoint runs.</summary>
public sealed class WaypointOptions
{
    /// <summary>What every host has.</summary>
    public NodeOptions Host { get; set; } = new();

    /// <summary>Name of the Gateway that is served (<c>GATEWAY_NAME</c>).</summary>
    public string GatewayName { get; set; } = "";

    /// <summary>Finds the addresses of names that endpoints are known by; null: the machine's resolver does.</summary>
    internal Func<string, System.Net.Sockets.AddressFamily, Task<System.Net.IPAddress[]>>? ResolveNames { get; set; }

    /// <summary>Its namespace (<c>POD_NAMESPACE</c>).</summary>
    public string Namespace { get; set; } = "";

    /// <summary>
    /// Name of our own pod (<c>POD_NAME</c>); null: the one that the Gateway expands to, <c>{gateway}-0</c> for a waypoint and
    /// <c>{gateway}-istio-0</c> for an ingress gateway.
    /// </summary>
    public string? PodName { get; set; }

    /// <summary>
    /// Whether this is a gateway's pod (<c>proxy router</c>) rather than a waypoint's, for as long as nothing brings the Gateway, whose class
    /// decides. Default false.
    /// </summary>
    public bool IsGateway { get; set; }

    /// <summary>Added to listener ports when binding (<c>AMBIENT_LISTENER_PORT_OFFSET</c>), for users who may not bind ports below 1024. Default 0.</summary>
    public int ListenerPortOffset { get; set; }

    /// <summary>HBONE connections that are accepted at a time (<c>AMBIENT_MAX_CONNECTIONS</c>): 1 to 10,000,000; 16,384 by default. Further ones are refused.</summary>
    public int MaxConnections { get; set; } = 16_384;

    /// <summary>HBONE connections that are accepted from one address at a time (<c>AMBIENT_MAX_CONNECTIONS_PER_PEER</c>): 1 to 10,000,000; 1,024 by default.</summary>
    public int MaxConnectionsPerPeer { get; set; } = 1_024;

    /// <summary>
    /// How long a request may go on while nothing of it or its answer moves, WebSockets and streams too (<c>AMBIENT_STREAM_IDLE_TIMEOUT</c>): 1 second to 365 days;
    /// 1 hour by default. Then it is answered with 408 where the client is silent and 504 where the endpoint is, or broken off where the answer has begun.
    /// </summary>
    public TimeSpan StreamIdleTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// How long it still accepts when it leaves (<c>TERMINATION_DRAIN_DURATION_SECONDS</c>): 0 to 1 hour; 5 seconds by default, and never more than half of
    /// <see cref="NodeOptions.TerminationDeadline"/>. Clients are told to go on elsewhere, and the host is not ready, from the beginning of it.
    /// </summary>
    public TimeSpan DrainDuration { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Certificates of a gateway's TLS listeners; a listener that has none is not served.</summary>
    public IList<GatewayCertificate> Certificates { get; } = [];

    /// <summary>An embedder's own stages, in their order.</summary>
    internal List<MeshRequestFilter> Filters { get; } = [];

    /// <summary>What questions to external authorizers may hold.</summary>
    internal CheckLimits AuthorizerLimits { get; set; } = new();

    /// <summary>Whether the decisions of policies are logged at info rather than debug (<c>AUTHZ_POLICY_INFO_LOGGING</c>). Default false.</summary>
    public bool LogPolicyDecisions { get; set; }

    /// <summary>Whether istiod says what is done with requests, as it does to an Envoy; else a folder does.</summary>
    internal bool AsksForRequests { get; set; }

    /// <summary>What membership of the mesh takes of these settings: a waypoint asks for its own certificate.</summary>
    internal MeshRuntimeOptions ToMeshRuntime() => Host.ToMeshRuntime(impersonate: false) with
    {
        Requests = AsksForRequests ? (xds, store, logger, time) => EnvoySession.Of(xds, GatewayName, store, logger, time) : null,
    };
}
