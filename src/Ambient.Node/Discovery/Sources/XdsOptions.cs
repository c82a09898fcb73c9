using System.Collections.Immutable;
using System.Text.Json;
using Ambient.Node.ControlPlane;

namespace Ambient.Node.Discovery.Sources;

/// <summary>Which control plane to ask for the mesh, and what to tell it about us (reference/ztunnel.md 6.1).</summary>
internal sealed record XdsOptions
{
    /// <summary>How to reach it.</summary>
    public required ControlPlaneOptions Server { get; init; }

    /// <summary>Whether addresses are asked for one by one, as connections need them (<c>XDS_ON_DEMAND</c>).</summary>
    public bool OnDemand { get; init; }

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
