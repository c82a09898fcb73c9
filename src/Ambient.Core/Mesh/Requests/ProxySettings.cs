namespace Ambient.Mesh;

/// <summary>
/// What a ProxyConfig says of waypoints and gateways: which proxies stand in front (<c>gatewayTopology</c>,
/// https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Topology), and which headers they set.
/// </summary>
public sealed record ProxySettings
{
    /// <summary>Says nothing.</summary>
    public static ProxySettings None { get; } = new();

    /// <summary>Proxies in front of gateways whose X-Forwarded-For is believed; null: nothing is said.</summary>
    public int? NumTrustedProxies { get; init; }

    /// <summary>Whether the proxy in front of gateways begins each connection with a header of the PROXY protocol; null: nothing is said.</summary>
    public bool? SendsProxyHeader { get; init; }

    /// <summary>Headers that the proxy sets.</summary>
    public ProxyHeaders Headers { get; init; } = ProxyHeaders.Default;

    /// <summary>This one, and what it does not say from another.</summary>
    public ProxySettings Over(ProxySettings other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new ProxySettings
        {
            NumTrustedProxies = NumTrustedProxies ?? other.NumTrustedProxies,
            SendsProxyHeader = SendsProxyHeader ?? other.SendsProxyHeader,
            Headers = Headers.Over(other.Headers),
        };
    }
}
