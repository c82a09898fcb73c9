using Ambient.Node.Sockets;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>A pod as a ztunnel is told of it.</summary>
/// <param name="Uid">The pod's UID.</param>
/// <param name="Namespace">Its Kubernetes namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="ServiceAccount">Its service account.</param>
/// <param name="Network">Its network namespace; null when the server does not have it (any more), for a ztunnel to keep what it has.</param>
public sealed record ZdsPod(string Uid, string Namespace, string Name, string ServiceAccount, PodNamespace? Network);
