using Ambient.Mesh;

namespace Ambient.Node.Discovery.Objects;

/// <summary>An AuthorizationPolicy, in the form that requests are evaluated on.</summary>
internal sealed record AuthorizationPolicyObject(ObjectMeta Meta, RequestAuthorizationPolicy Policy) : KubernetesObject(Meta);

/// <summary>A RequestAuthentication.</summary>
internal sealed record RequestAuthenticationObject(ObjectMeta Meta, RequestAuthentication Authentication) : KubernetesObject(Meta);

/// <summary>A Telemetry.</summary>
internal sealed record TelemetryObject(ObjectMeta Meta, RequestTelemetry Telemetry) : KubernetesObject(Meta);

/// <summary>Mutual TLS mode of a PeerAuthentication.</summary>
internal enum MutualTlsMode
{
    /// <summary>As the next wider policy says.</summary>
    Unset,

    /// <summary>Plaintext and mutual TLS. Ambient reads DISABLE the same way.</summary>
    Permissive,

    /// <summary>Never mutual TLS; in ambient the same as permissive.</summary>
    Disable,

    /// <summary>Mutual TLS only.</summary>
    Strict,
}

/// <summary>A PeerAuthentication.</summary>
internal sealed record PeerAuthenticationObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>Labels of the workloads it selects, or null for a whole namespace or the mesh.</summary>
    public Dictionary<string, string>? Selector { get; init; }

    /// <summary>Mode.</summary>
    public MutualTlsMode Mode { get; init; }

    /// <summary>Modes of single workload ports, in order of the port.</summary>
    public SortedDictionary<int, MutualTlsMode> PortModes { get; init; } = [];
}
