namespace Ambient.Node.Capture.PodNetwork;

/// <summary>What of a pod's traffic is led through ztunnel.</summary>
public sealed record PodCapture
{
    /// <summary>Everything, as for most pods.</summary>
    public static PodCapture All { get; } = new();

    /// <summary>
    /// Whether plaintext to the pod is led to 15006. Not for pods that are an ingress (<c>ambient.istio.io/bypass-inbound-capture</c>): they
    /// are there to be called from outside.
    /// </summary>
    public bool Inbound { get; init; } = true;

    /// <summary>Whether the pod's questions for names are led to 15053.</summary>
    public bool Dns { get; init; } = true;

    /// <summary>Interfaces whose incoming connections are the pod's own virtual machines calling out: led to 15001.</summary>
    public IReadOnlyList<string> VirtualInterfaces { get; init; } = [];
}
