namespace Ambient.Mesh;

/// <summary>
/// Headers that waypoints and gateways set (<c>proxyHeaders</c> of a ProxyConfig,
/// https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig-ProxyHeaders). Null everywhere: nothing is said, and the default holds.
/// </summary>
public sealed record ProxyHeaders
{
    /// <summary>What <c>server</c> of answers says where nothing else is said.</summary>
    public const string DefaultServer = "istio-envoy";

    /// <summary>Says nothing.</summary>
    public static ProxyHeaders Default { get; } = new();

    /// <summary>Whether a request without <c>x-request-id</c> gets one. Default true.</summary>
    public bool? RequestId { get; init; }

    /// <summary>Whether answers get a <c>server</c> of the proxy's. Default true; else the endpoint's stays.</summary>
    public bool? Server { get; init; }

    /// <summary>What it says. Default <see cref="DefaultServer"/>.</summary>
    public string? ServerName { get; init; }

    /// <summary>Whether endpoints are told the number of the try (<c>x-envoy-attempt-count</c>). Default true.</summary>
    public bool? AttemptCount { get; init; }

    /// <summary>Whether answers say what the proxy knows of them (<c>x-envoy-upstream-service-time</c>, <c>x-envoy-overloaded</c>). Default true.</summary>
    public bool? Debug { get; init; }

    /// <summary>Whether endpoints are told the host that a route has changed (<c>x-forwarded-host</c>). Default false.</summary>
    public bool? ForwardedHost { get; init; }

    /// <summary>Whether endpoints are told the port that the client asked for (<c>x-forwarded-port</c>). Default false.</summary>
    public bool? ForwardedPort { get; init; }

    /// <summary>These, and what they do not say from others.</summary>
    public ProxyHeaders Over(ProxyHeaders other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new ProxyHeaders
        {
            RequestId = RequestId ?? other.RequestId,
            Server = Server ?? other.Server,
            ServerName = ServerName ?? other.ServerName,
            AttemptCount = AttemptCount ?? other.AttemptCount,
            Debug = Debug ?? other.Debug,
            ForwardedHost = ForwardedHost ?? other.ForwardedHost,
            ForwardedPort = ForwardedPort ?? other.ForwardedPort,
        };
    }
}
