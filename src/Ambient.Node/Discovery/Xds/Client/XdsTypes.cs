namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>The resource types that a ztunnel subscribes to, in the order in which it does.</summary>
internal static class XdsTypes
{
    /// <summary>Workloads and services.</summary>
    public const string Address = "type.googleapis.com/istio.workload.Address";

    /// <summary>Policies.</summary>
    public const string Authorization = "type.googleapis.com/istio.security.Authorization";

    /// <summary><see cref="Address"/> as it is on the wire.</summary>
    public static ReadOnlySpan<byte> AddressUtf8 => "type.googleapis.com/istio.workload.Address"u8;

    /// <summary><see cref="Authorization"/> as it is on the wire.</summary>
    public static ReadOnlySpan<byte> AuthorizationUtf8 => "type.googleapis.com/istio.security.Authorization"u8;

    /// <summary>Workloads by themselves, as they are on the wire.</summary>
    public static ReadOnlySpan<byte> WorkloadUtf8 => "type.googleapis.com/istio.workload.Workload"u8;
}
