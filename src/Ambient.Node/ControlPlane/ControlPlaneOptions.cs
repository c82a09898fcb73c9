using System.Collections.Immutable;

namespace Ambient.Node.ControlPlane;

/// <summary>How to reach a service of the control plane: istiod's xDS, or its certificate authority.</summary>
internal sealed record ControlPlaneOptions
{
    /// <summary>Name of the service in logs and errors: <c>xDS</c> or <c>CA</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Address, always https.</summary>
    public required Uri Address { get; init; }

    /// <summary>Roots: a file that exists, <c>SYSTEM</c> for the machine's store, or PEM text.</summary>
    public string Roots { get; init; } = DefaultRoots;

    /// <summary>A second name that the server's certificate may have; null: none.</summary>
    public string? AlternativeName { get; init; }

    /// <summary>A file that exists (read again for every call), or the token itself; null: no authentication.</summary>
    public string? Token { get; init; }

    /// <summary>Cluster of this node, sent as the header <c>clusterid</c>.</summary>
    public string ClusterId { get; init; } = "Kubernetes";

    /// <summary>Further headers of every call, validated.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Where istiod's root certificate is mounted.</summary>
    public const string DefaultRoots = "./var/run/secrets/istio/root-cert.pem";

    /// <summary>Where the pod's token is mounted.</summary>
    public const string DefaultToken = "./var/run/secrets/tokens/istio-token";

    /// <summary>Value of <see cref="Roots"/> that stands for the machine's own root store.</summary>
    public const string SystemRoots = "SYSTEM";
}
