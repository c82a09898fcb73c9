using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>The answer: where to connect, or the refusal.</summary>
public sealed record InboundRoute
{
    /// <summary>Status that refuses the CONNECT; 0 when there is a route.</summary>
    public int RefusalStatus { get; init; }

    /// <summary>Why it is refused, for the log.</summary>
    public string? Error { get; init; }

    /// <summary>Where to deliver; policy is asked about this address.</summary>
    public IPEndPoint? Upstream { get; init; }

    /// <summary>
    /// The authority as an address, when it is one. For a host name that an application tunnel with PROXY protocol needs
    /// as an address, the service's.
    /// </summary>
    public IPEndPoint? TunnelTarget { get; init; }

    /// <summary>The service named by a hostname authority.</summary>
    public MeshService? Service { get; init; }

    /// <summary>Whether a PROXY protocol version 2 header goes before the bytes.</summary>
    public bool SendProxyHeader { get; init; }

    /// <summary>
    /// What the refusal would have depended on and the mesh does not know, named as in <see cref="ConnectionRoute.Unknown"/>;
    /// null when nothing was missing.
    /// </summary>
    public string? Unknown { get; init; }

    internal static InboundRoute Refuse(int status, string error) => new() { RefusalStatus = status, Error = error };
}
