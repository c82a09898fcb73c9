namespace Ambient.Mesh;

/// <summary>
/// Which proxies stand in front of gateways: the <c>gatewayTopology</c> of a ProxyConfig
/// (https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Topology).
/// </summary>
public sealed record GatewayTopology
{
    /// <summary>Says nothing.</summary>
    public static GatewayTopology None { get; } = new();

    /// <summary>Proxies whose X-Forwarded-For is believed; null: nothing is said.</summary>
    public int? NumTrustedProxies { get; init; }

    /// <summary>Whether the proxy in front begins each connection with a header of the PROXY protocol; null: nothing is said.</summary>
    public bool? SendsProxyHeader { get; init; }

    /// <summary>This one, and what it does not say from another.</summary>
    public GatewayTopology Over(GatewayTopology other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new GatewayTopology { NumTrustedProxies = NumTrustedProxies ?? other.NumTrustedProxies, SendsProxyHeader = SendsProxyHeader ?? other.SendsProxyHeader };
    }
}
