using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>A cluster, as far as requests are sent to it.</summary>
internal sealed record EnvoyCluster
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>What its name says.</summary>
    public required ClusterName Meaning { get; init; }

    /// <summary>Name of the assignment that has its endpoints; null: they come with it, or there are none.</summary>
    public string? Assignment { get; init; }

    /// <summary>Endpoints that come with it; null: none do.</summary>
    public EnvoyAssignment? Own { get; init; }

    /// <summary>Name of the service, as its metadata says it.</summary>
    public string ServiceName { get; init; } = "";

    /// <summary>Namespace of the service.</summary>
    public string ServiceNamespace { get; init; } = "";

    /// <summary>Key of the DestinationRule that is in it; null: none is.</summary>
    public string? Rule { get; init; }

    /// <summary>How endpoints are chosen, and how many requests there may be. What requests hash by the routes say.</summary>
    public TrafficPolicy Policy { get; init; } = TrafficPolicy.None;

    /// <summary>Whether a locality is drawn by its share before an endpoint of it is chosen.</summary>
    public bool ByLocality { get; init; }

    /// <summary>With fewer than this share of a priority healthy, in percent, all of it are asked.</summary>
    public double PanicPercent { get; init; }

    /// <summary>Whether its endpoints are found by the names that requests and connections mean, within the wildcard that its host is.</summary>
    public bool IsOfManyNames { get; init; }

    /// <summary>The table that requests are hashed by; null: they are not.</summary>
    public ConsistentHash? Table { get; init; }

    /// <summary>Whether endpoints are spoken to in HTTP/2.</summary>
    public bool SpeaksHttp2 { get; init; }

    /// <summary>TLS that is made to endpoints, authorities by the names of their secrets; null: none is.</summary>
    public ClusterTls? Tls { get; init; }

    /// <summary>The header of the PROXY protocol that its endpoints are sent first; null: none.</summary>
    public ProxyProtocolVersion? ProxyProtocol { get; init; }

    /// <summary>The mesh's own TLS, to those of its endpoints that have a sidecar; null: it has none.</summary>
    public BackendTls? Sidecar { get; init; }

    /// <summary>How each of its endpoints is spoken to.</summary>
    public EndpointSockets Sockets { get; init; } = EndpointSockets.None;

    /// <summary>Why nothing may be sent to it; null: it may.</summary>
    public string? Blocked { get; init; }
}

/// <summary>TLS to the endpoints of a cluster.</summary>
/// <param name="Tls">What is asked for, without what secrets have.</param>
/// <param name="Authorities">Name of the secret with the authorities; null: they are <paramref name="Inline"/>, in a file, or the system's.</param>
/// <param name="Inline">Authorities as PEM text; null: none are inline.</param>
/// <param name="Certificate">Name of the secret with the certificate that is shown; null: it is in a file, or there is none.</param>
internal sealed record ClusterTls(BackendTls Tls, string? Authorities, string? Inline, string? Certificate)
{
    /// <summary>Names of the secrets that it needs.</summary>
    public IEnumerable<string> Secrets => new[] { Authorities, Certificate }.OfType<string>();
}
