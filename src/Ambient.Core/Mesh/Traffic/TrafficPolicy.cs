using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>How requests are shared among endpoints, how many there may be, and which endpoints are left out. A null block says nothing.</summary>
public sealed record TrafficPolicy
{
    /// <summary>Says nothing.</summary>
    public static TrafficPolicy None { get; } = new();

    /// <summary>Which endpoint is chosen.</summary>
    public BalancerSettings? Balancer { get; init; }

    /// <summary>Connections, and how many requests there may be.</summary>
    public ConnectionPoolSettings? ConnectionPool { get; init; }

    /// <summary>Which endpoints are left out for a while; null: none.</summary>
    public OutlierDetection? OutlierDetection { get; init; }

    /// <summary>Whether TLS is made to endpoints, and how.</summary>
    public TlsOrigination? Tls { get; init; }

    /// <summary>TLS to those endpoints that have a sidecar, in place of <see cref="Tls"/>; null: nobody is known to have one.</summary>
    public SidecarTls? Sidecars { get; init; }

    /// <summary>How many requests may be under way again. Not in what a single port says.</summary>
    public RetryBudget? RetryBudget { get; init; }

    /// <summary>The header of the PROXY protocol that says who the client is, before anything else; null: none. Not in what a single port says.</summary>
    public ProxyProtocolVersion? ProxyProtocol { get; init; }

    /// <summary>Where connections whose bytes are not looked into are led through the endpoints, which are proxies; null: to them. Not in what a single port says.</summary>
    public ProxyTunnel? Tunnel { get; init; }

    /// <summary>What holds for single ports, in place of balancer, pool, outlier detection and TLS.</summary>
    public ImmutableArray<PortTrafficPolicy> Ports { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficPolicy? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Balancer == other.Balancer
            && ConnectionPool == other.ConnectionPool
            && OutlierDetection == other.OutlierDetection
            && Tls == other.Tls
            && Sidecars == other.Sidecars
            && RetryBudget == other.RetryBudget
            && ProxyProtocol == other.ProxyProtocol
            && Tunnel == other.Tunnel
            && StructuralEquality.Same(Ports, other.Ports));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Balancer, ConnectionPool, OutlierDetection, RetryBudget, Ports.Length);
}

/// <summary>TLS to endpoints that have a sidecar.</summary>
/// <param name="Label">Label that such endpoints have (<see cref="RequestConfiguration.WorkloadLabels"/>).</param>
/// <param name="Tls">The TLS.</param>
public sealed record SidecarTls(string Label, BackendTls Tls);

/// <summary>A form of the PROXY protocol's header (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).</summary>
public enum ProxyProtocolVersion
{
    /// <summary>A line of text.</summary>
    V1 = 1,

    /// <summary>Binary.</summary>
    V2 = 2,
}

/// <summary>A tunnel through a proxy (RFC 9110 section 9.3.6).</summary>
/// <param name="Protocol"><c>CONNECT</c>; another one cannot be made, and connections are refused.</param>
/// <param name="Host">Host that the proxy is asked for.</param>
/// <param name="Port">Port that it is asked for, 1 to 65535.</param>
public sealed record ProxyTunnel(string Protocol, string Host, int Port);

/// <summary>What holds for one port.</summary>
/// <param name="Port">Port of the service, 1 to 65535.</param>
/// <param name="Policy">What holds for it. It inherits nothing: a block that is null has its default.</param>
public sealed record PortTrafficPolicy(int Port, TrafficPolicy Policy);

/// <summary>How many requests may be under way again, as a share of those under way.</summary>
/// <param name="Percent">Share in percent, 0 to 100.</param>
/// <param name="MinRetryConcurrency">How many may be in any case.</param>
public sealed record RetryBudget(double Percent, int MinRetryConcurrency)
{
    /// <summary>Requests that began no longer ago count as under way as well; null: only those that are.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>A fifth, and three in any case: what holds where nothing is said.</summary>
    public static RetryBudget Default { get; } = new(20, 3);
}
