using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Objects;

/// <summary>A GatewayClass.</summary>
internal sealed record GatewayClassObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>Controller that serves the class.</summary>
    public string ControllerName { get; init; } = "";
}

/// <summary>An address that a controller wrote into a Gateway's status.</summary>
/// <param name="Hostname">Hostname, or null.</param>
/// <param name="Address">IP address, or null.</param>
internal readonly record struct GatewayStatusAddress(string? Hostname, IPAddress? Address);

/// <summary>A Gateway.</summary>
internal sealed record GatewayObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>Which proxies stand in front of it, as its annotations say.</summary>
    public ProxySettings Proxy { get; init; } = ProxySettings.None;

    /// <summary>Class.</summary>
    public required string ClassName { get; init; }

    /// <summary>Listeners.</summary>
    public IReadOnlyList<GatewayListener> Listeners { get; init; } = [];

    /// <summary>Where ListenerSets may live that add listeners.</summary>
    public AllowedNamespaces AllowedListenerNamespaces { get; init; } = AllowedNamespaces.None;

    /// <summary>Labels that such a namespace must have, with Selector.</summary>
    public ImmutableDictionary<string, string>? ListenerNamespaceSelector { get; init; }

    /// <summary>spec.tls.frontend.default.</summary>
    public ClientValidation? ClientValidation { get; init; }

    /// <summary>spec.tls.frontend.perPort.</summary>
    public ImmutableDictionary<int, ClientValidation?> ClientValidationByPort { get; init; } = ImmutableDictionary<int, ClientValidation?>.Empty;

    /// <summary>spec.tls.backend.clientCertificateRef.</summary>
    public ObjectReference? BackendClientCertificate { get; init; }

    /// <summary>spec.infrastructure.labels.</summary>
    public Dictionary<string, string> InfrastructureLabels { get; init; } = [];

    /// <summary>spec.infrastructure.annotations.</summary>
    public Dictionary<string, string> InfrastructureAnnotations { get; init; } = [];

    /// <summary>status.addresses; none until a controller made the gateway.</summary>
    public IReadOnlyList<GatewayStatusAddress> StatusAddresses { get; init; } = [];
}

/// <summary>An HTTPRoute, GRPCRoute or VirtualService, already in the form that routing reads.</summary>
internal sealed record HttpRouteObject(ObjectMeta Meta, HttpRoute Route) : KubernetesObject(Meta)
{
    /// <summary>What a VirtualService says of TLS and TCP; null: nothing.</summary>
    public StreamRoute? Streams { get; init; }
}

/// <summary>A Gateway of Istio's own.</summary>
/// <param name="Meta">Metadata.</param>
/// <param name="Selector">Labels of the pods that serve it; empty: every gateway.</param>
/// <param name="Servers">Servers.</param>
internal sealed record IstioGatewayObject(ObjectMeta Meta, Dictionary<string, string> Selector, IReadOnlyList<IstioServerSpec> Servers) : KubernetesObject(Meta);

/// <summary>A server of such a Gateway.</summary>
/// <param name="Name">Name of its port.</param>
/// <param name="Protocol">As of a listener of the Gateway API.</param>
/// <param name="Hosts">Hosts, each with the namespaces of the VirtualServices that it lets in; empty: all.</param>
/// <param name="Credentials">Secrets with the certificates that it shows.</param>
/// <param name="Server">The rest.</param>
internal sealed record IstioServerSpec(
    string Name, string Protocol, IReadOnlyDictionary<string, ImmutableArray<string>> Hosts, ImmutableArray<string> Credentials, IstioServer Server)
{
    /// <summary>Whether it ends TLS.</summary>
    public bool TerminatesTls { get; init; }

    /// <summary>Address that it listens on; null: the gateway's own.</summary>
    public IPAddress? Bind { get; init; }
}

/// <summary>A ListenerSet, already in the form that routing reads.</summary>
internal sealed record ListenerSetObject(ObjectMeta Meta, ListenerSet Set) : KubernetesObject(Meta);

/// <summary>A TLSRoute or TCPRoute, already in the form that routing reads.</summary>
internal sealed record StreamRouteObject(ObjectMeta Meta, StreamRoute Route) : KubernetesObject(Meta);

/// <summary>A Secret with a certificate.</summary>
internal sealed record TlsSecretObject(ObjectMeta Meta, TlsSecret Secret) : KubernetesObject(Meta);

/// <summary>A ConfigMap with authorities.</summary>
internal sealed record CertificateBundleObject(ObjectMeta Meta, CertificateBundle Bundle) : KubernetesObject(Meta);

/// <summary>A ReferenceGrant.</summary>
internal sealed record ReferenceGrantObject(ObjectMeta Meta, ReferenceGrant Grant) : KubernetesObject(Meta);
