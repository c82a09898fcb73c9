using System.Net;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>A pod of a <see cref="NamespaceCluster"/>.</summary>
/// <param name="Name">Name; its service account and, in the mesh, its workload are called the same.</param>
/// <param name="Node">Node.</param>
/// <param name="Captured">Whether its traffic is redirected to a ztunnel.</param>
/// <param name="More">Further fields of its workload in the local format, one a line.</param>
/// <param name="IPs">Its addresses.</param>
internal sealed record ClusterPod(string Name, string Node, bool Captured, string More, params string[] IPs)
{
    /// <summary>The namespace of all pods.</summary>
    public const string Namespace = "default";

    /// <summary>Protocol, where it is not the one that capture says.</summary>
    public string Protocol { get; init; } = Captured ? "HBONE" : "TCP";

    /// <summary>Trust domain.</summary>
    public string TrustDomain { get; init; } = "cluster.local";

    /// <summary>Service account; the name unless told otherwise.</summary>
    public string ServiceAccount { get; init; } = Name;

    public string Identity => $"spiffe://{TrustDomain}/ns/{Namespace}/sa/{ServiceAccount}";

    public IPAddress[] Addresses => [.. IPs.Select(IPAddress.Parse)];

    /// <summary>The pod as a manifest; its app label is its name without what follows a dash.</summary>
    public string ToManifest() => $$"""
        apiVersion: v1
        kind: Pod
        metadata:
          name: {{Name}}
          namespace: {{Namespace}}
          labels: {app: {{Name.Split('-')[0]}}, istio.io/dataplane-mode: {{(Captured ? "ambient" : "none")}}}
          annotations: {ambient.dev/address: "{{IPs[0]}}"}
        spec:
          serviceAccountName: {{ServiceAccount}}
          nodeName: {{Node}}
          containers:
          - {name: app, image: echo, ports: [{containerPort: 8080}]}
        """;

    /// <summary>The workload in the local format.</summary>
    public string ToYaml() => $"""
        uid: "cluster1//v1/Pod/{Namespace}/{Name}"
        name: {Name}
        namespace: {Namespace}
        serviceAccount: {ServiceAccount}
        trustDomain: {TrustDomain}
        workloadIps: [{string.Join(", ", IPs.Select(ip => $"\"{ip}\""))}]
        protocol: {Protocol}
        node: {Node}
        workloadName: {Name}
        canonicalName: {Name}
        clusterId: Kubernetes
        {More}
        """;
}
