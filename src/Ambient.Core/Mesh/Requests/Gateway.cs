using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>A Gateway of the Gateway API.</summary>
public sealed record Gateway
{
    /// <summary>Class of waypoints.</summary>
    public const string WaypointClass = "istio-waypoint";

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>GatewayClass: <see cref="WaypointClass"/> or <c>istio</c>.</summary>
    public required string ClassName { get; init; }

    /// <summary>Whether it stands before services or workloads as their waypoint; else it lets traffic in from outside.</summary>
    public bool IsWaypoint => ClassName == WaypointClass;

    /// <summary>Listeners.</summary>
    public ImmutableArray<GatewayListener> Listeners { get; init; } = [];

    /// <summary>Labels of the Gateway.</summary>
    public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Labels of the Gateway's own pods, for selector policies.</summary>
    public ImmutableDictionary<string, string> PodLabels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Annotations of the Gateway.</summary>
    public ImmutableDictionary<string, string> Annotations { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>
    /// Proxies in front of the gateway's listeners whose word for a client's address is taken (<c>gatewayTopology.numTrustedProxies</c>): as many
    /// addresses of X-Forwarded-For are believed, from the right. 0: the peer is the client.
    /// </summary>
    public int NumTrustedProxies { get; init; }

    /// <summary>
    /// Whether every connection to the gateway's listeners begins with a header of the PROXY protocol (<c>gatewayTopology.proxyProtocol</c>), whose word for a
    /// client's address is taken. One without it is closed.
    /// </summary>
    public bool ExpectsProxyHeader { get; init; }

    /// <summary>Headers that it sets.</summary>
    public ProxyHeaders Headers { get; init; } = ProxyHeaders.Default;

    /// <summary>When it was created; decides ties.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Where ListenerSets may live that add listeners. Default <see cref="AllowedNamespaces.None"/>.</summary>
    public AllowedNamespaces AllowedListenerNamespaces { get; init; } = AllowedNamespaces.None;

    /// <summary>As <see cref="GatewayListener.NamespaceSelector"/>, for ListenerSets.</summary>
    public ImmutableDictionary<string, string>? ListenerNamespaceSelector { get; init; }

    /// <summary>Whether and how certificates of clients are verified where TLS is ended; null: clients are not asked for one.</summary>
    public ClientValidation? ClientValidation { get; init; }

    /// <summary>The same for single ports, in place of <see cref="ClientValidation"/>.</summary>
    public ImmutableDictionary<int, ClientValidation?> ClientValidationByPort { get; init; } = ImmutableDictionary<int, ClientValidation?>.Empty;

    /// <summary>The Secret with the certificate that is shown to backends which ask for one in TLS; null: none.</summary>
    public ObjectReference? BackendClientCertificate { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(Gateway? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && ClassName == other.ClassName
            && NumTrustedProxies == other.NumTrustedProxies
            && ExpectsProxyHeader == other.ExpectsProxyHeader
            && Headers == other.Headers
            && CreationTime == other.CreationTime
            && AllowedListenerNamespaces == other.AllowedListenerNamespaces
            && ClientValidation == other.ClientValidation
            && BackendClientCertificate == other.BackendClientCertificate
            && StructuralEquality.Same(ListenerNamespaceSelector, other.ListenerNamespaceSelector)
            && ClientValidationByPort.Count == other.ClientValidationByPort.Count
            && ClientValidationByPort.All(entry => other.ClientValidationByPort.TryGetValue(entry.Key, out var validation) && validation == entry.Value)
            && StructuralEquality.Same(Listeners, other.Listeners)
            && StructuralEquality.Same(Labels, other.Labels)
            && StructuralEquality.Same(PodLabels, other.PodLabels)
            && StructuralEquality.Same(Annotations, other.Annotations));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, ClassName, Listeners.Length);
}

/// <summary>A listener of a Gateway.</summary>
/// <param name="Name">Section name.</param>
/// <param name="Port">Port.</param>
/// <param name="Protocol"><c>HTTP</c>, <c>HTTPS</c>, <c>TLS</c>, <c>TCP</c> or <c>HBONE</c>.</param>
/// <param name="Hostname">Hostname, possibly with a leading wildcard label; null is any.</param>
/// <param name="AllowedRouteNamespaces">Where routes may live.</param>
/// <param name="NamespaceSelector">
/// Labels that a namespace must have when <paramref name="AllowedRouteNamespaces"/> is Selector; without any label every namespace may
/// attach. Null: the selector cannot be acted on, and no namespace may.
/// </param>
public sealed record GatewayListener(
    string Name,
    int Port,
    string Protocol,
    string? Hostname,
    AllowedNamespaces AllowedRouteNamespaces,
    ImmutableDictionary<string, string>? NamespaceSelector)
{
    /// <summary>Kinds of routes that may attach; empty: those that fit the protocol.</summary>
    public ImmutableArray<RouteKind> AllowedKinds { get; init; } = [];

    /// <summary>Whether the gateway ends TLS for it. A listener of protocol TLS for which it does not is passed through by its server names.</summary>
    public bool TerminatesTls { get; init; }

    /// <summary>Secrets with the certificates that it shows; empty: the gateway's options name the files of one.</summary>
    public ImmutableArray<ObjectReference> Certificates { get; init; } = [];

    /// <summary>Address that it listens on; null: the gateway's own.</summary>
    public IPAddress? Bind { get; init; }

    /// <summary>What a server of a Gateway of Istio's own says besides; null: it is a listener of the Gateway API.</summary>
    public IstioServer? Server { get; init; }

    /// <summary>How clients are asked for a certificate at this listener, in place of what the Gateway says; null: as the Gateway says.</summary>
    public IstioClientValidation? Clients { get; init; }

    /// <summary>Whether clients must speak TLS 1.3.</summary>
    public bool RequiresTls13 { get; init; }

    /// <summary>Whether clients must not speak TLS 1.3.</summary>
    public bool ForbidsTls13 { get; init; }

    /// <summary>Whether every field is equal, labels by content.</summary>
    public bool Equals(GatewayListener? other) =>
        other is not null
        && RequiresTls13 == other.RequiresTls13
        && ForbidsTls13 == other.ForbidsTls13
        && Server == other.Server
        && Equals(Bind, other.Bind)
        && Clients == other.Clients
        && Name == other.Name
        && Port == other.Port
        && Protocol == other.Protocol
        && Hostname == other.Hostname
        && AllowedRouteNamespaces == other.AllowedRouteNamespaces
        && TerminatesTls == other.TerminatesTls
        && StructuralEquality.Same(Certificates, other.Certificates)
        && StructuralEquality.Same(AllowedKinds, other.AllowedKinds)
        && StructuralEquality.Same(NamespaceSelector, other.NamespaceSelector);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Port, Protocol, Hostname, AllowedRouteNamespaces);
}

/// <summary>A kind of route.</summary>
/// <param name="Group">API group.</param>
/// <param name="Kind">Kind, for example <c>HTTPRoute</c>.</param>
public readonly record struct RouteKind(string Group, string Kind);

/// <summary>Which namespaces may attach.</summary>
public enum AllowedNamespaces
{
    /// <summary>The Gateway's own.</summary>
    Same,

    /// <summary>Every one.</summary>
    All,

    /// <summary>Those with given labels.</summary>
    Selector,

    /// <summary>None at all. Only of ListenerSets.</summary>
    None,
}

/// <summary>How certificates of clients are verified.</summary>
/// <param name="Authorities">ConfigMaps with the authorities that they may come from.</param>
/// <param name="AllowsInsecureFallback">
/// Whether clients without a certificate, or with one that does not verify, are let in all the same; who they are is then not told to anybody.
/// </param>
public sealed record ClientValidation(ImmutableArray<ObjectReference> Authorities, bool AllowsInsecureFallback)
{
    /// <summary>Whether every field is equal.</summary>
    public bool Equals(ClientValidation? other) =>
        other is not null && AllowsInsecureFallback == other.AllowsInsecureFallback && StructuralEquality.Same(Authorities, other.Authorities);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Authorities.Length, AllowsInsecureFallback);
}
