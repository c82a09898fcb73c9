using System.Collections.Immutable;
using System.Text.Json;
using Ambient.Node.ControlPlane;

namespace Ambient.Node.Discovery.Sources;

/// <summary>Which control plane to ask for the mesh, and what to tell it about us (docs/protocol.md, "xDS").</summary>
internal sealed record XdsOptions
{
    /// <summary>How to reach it.</summary>
    public required ControlPlaneOptions Server { get; init; }

    /// <summary>Whether addresses are asked for one by one, as connections need them (<c>XDS_ON_DEMAND</c>).</summary>
    public bool OnDemand { get; init; }

    /// <summary>
    /// Whether collections may be held back in the whole process while the first mesh is read, which spares a large mesh's start a quarter of its processor time.
    /// For a process that does nothing else and collects once it is ready.
    /// </summary>
    public bool HoldsCollections { get; init; }

    /// <summary>What kind of proxy we are, which decides what istiod tells.</summary>
    public XdsNodeKind Kind { get; init; }

    /// <summary>Our service account (<c>SERVICE_ACCOUNT</c>), which has to be that of the token or certificate; empty: not told.</summary>
    public string ServiceAccount { get; init; } = "";

    /// <summary>Our address (<c>INSTANCE_IP</c>).</summary>
    public string InstanceIP { get; init; } = "1.1.1.1";

    /// <summary>Our pod (<c>POD_NAME</c>).</summary>
    public string PodName { get; init; } = "";

    /// <summary>Our pod's namespace (<c>POD_NAMESPACE</c>).</summary>
    public string PodNamespace { get; init; } = "";

    /// <summary>Our node (<c>NODE_NAME</c>).</summary>
    public string NodeName { get; init; } = "";

    /// <summary>Metadata as text (<c>ISTIO_META_*</c>, without the prefix).</summary>
    public ImmutableSortedDictionary<string, string> Metadata { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Metadata as JSON (<c>ISTIO_METAJSON_*</c>, without the prefix).</summary>
    public ImmutableSortedDictionary<string, JsonElement> JsonMetadata { get; init; } = ImmutableSortedDictionary<string, JsonElement>.Empty;
}

/// <summary>The kinds of proxies that istiod knows of those that read its workload API.</summary>
internal enum XdsNodeKind
{
    /// <summary>A proxy for workloads: a node's ztunnel, or a member that is its own.</summary>
    Ztunnel,

    /// <summary>A waypoint.</summary>
    Waypoint,

    /// <summary>A gateway.</summary>
    Router,
}
