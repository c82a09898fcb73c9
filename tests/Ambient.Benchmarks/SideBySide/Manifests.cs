namespace Ambient.Benchmarks.SideBySide;

/// <summary>Kubernetes objects of the runs that have a waypoint or a gateway.</summary>
internal static class Manifests
{
    /// <summary>Client, server and waypoint of namespace <c>bench</c>; service <c>web</c> (10.96.0.20) goes through the waypoint.</summary>
    internal static string WaypointMesh { get; } = string.Join("\n---\n", [
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: bench, labels: {istio.io/dataplane-mode: ambient}}
        """,
        Pod("bench", "client", BenchNetwork.ClientAddress, "app: client", captured: true),
        Pod("bench", "server", BenchNetwork.ServerAddress, "app: server", captured: true),
        Pod("bench", "waypoint", BenchNetwork.WaypointAddress, "gateway.networking.k8s.io/gateway-name: waypoint", captured: false, name: "waypoint-0"),
        Service(
            "bench",
            "web",
            "10.96.0.20",
            "app: server",
            "{name: http, port: 80, targetPort: 8080, protocol: TCP}, {name: http2, port: 81, targetPort: 8082, protocol: TCP}",
            "{istio.io/use-waypoint: waypoint}"),
        Service("bench", "web-v1", "10.96.0.21", "app: server", "{name: http, port: 80, targetPort: 8080, protocol: TCP}"),
        Service("bench", "web-v2", "10.96.0.22", "app: server", "{name: http, port: 80, targetPort: 8080, protocol: TCP}"),
        Service(
            "bench",
            "waypoint",
            "10.96.0.30",
            "gateway.networking.k8s.io/gateway-name: waypoint",
            "{name: mesh, port: 15008, protocol: TCP, appProtocol: hbone}",
            "{gateway.networking.k8s.io/gateway-name: waypoint}"),
        """
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: bench, labels: {istio.io/waypoint-for: service}}
        spec:
          gatewayClassName: istio-waypoint
          listeners: [{name: mesh, port: 15008, protocol: HBONE}]
        status:
          addresses: [{type: Hostname, value: waypoint.bench.svc.cluster.local}]
        """,
        """
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: bench}
        spec:
          parentRefs: [{group: "", kind: Service, name: web, port: 80}]
          rules:
          - backendRefs:
            - {name: web-v1, port: 80, weight: 90}
            - {name: web-v2, port: 80, weight: 10}
        """,
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: web, namespace: bench}
        spec:
          targetRefs: [{group: "", kind: Service, name: web}]
          action: ALLOW
          rules:
          - from: [{source: {principals: [cluster.local/ns/bench/sa/client]}}]
            to: [{operation: {methods: [GET, POST]}}]
        """,
    ]) + "\n";

    /// <summary>A plain-text gateway on 10.77.0.4:8000 before a server outside of the mesh.</summary>
    internal static string GatewayMesh { get; } = string.Join("\n---\n", [
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: plain}
        """,
        Pod("plain", "server", BenchNetwork.ServerAddress, "app: server", captured: false),
        Pod("plain", "gw-istio", BenchNetwork.WaypointAddress, "gateway.networking.k8s.io/gateway-name: gw", captured: false, name: "gw-istio-0"),
        Service("plain", "web-v1", "10.96.0.21", "app: server", "{name: http, port: 80, targetPort: 8081, protocol: TCP}"),
        Service("plain", "web-v2", "10.96.0.22", "app: server", "{name: http, port: 80, targetPort: 8081, protocol: TCP}"),
        Service(
            "plain",
            "gw-istio",
            "10.96.0.31",
            "gateway.networking.k8s.io/gateway-name: gw",
            "{name: http, port: 8000, protocol: TCP}",
            "{gateway.networking.k8s.io/gateway-name: gw}"),
        """
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: plain}
        spec:
          gatewayClassName: istio
          listeners: [{name: http, port: 8000, protocol: HTTP}]
        status:
          addresses: [{type: IPAddress, value: 10.96.0.31}]
        """,
        """
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: plain}
        spec:
          parentRefs: [{name: gw}]
          rules:
          - backendRefs:
            - {name: web-v1, port: 80, weight: 90}
            - {name: web-v2, port: 80, weight: 10}
        """,
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: web, namespace: plain}
        spec:
          targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
          action: DENY
          rules:
          - to: [{operation: {methods: [DELETE]}}]
        """,
    ]) + "\n";

    private static string Pod(string ns, string account, string address, string label, bool captured, string? name = null) => $$"""
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: {{account}}, namespace: {{ns}}}
        ---
        apiVersion: v1
        kind: Pod
        metadata:
          name: {{name ?? account}}
          namespace: {{ns}}
          labels: { {{label}} }
          annotations: { {{(captured ? "ambient.istio.io/redirection: enabled" : "")}} }
        spec:
          serviceAccountName: {{account}}
          nodeName: node-a
          containers: [{name: app, image: app}]
        status:
          phase: Running
          podIP: {{address}}
          podIPs: [{ip: {{address}}}]
          conditions: [{type: Ready, status: "True"}]
        """;

    /// <summary>A Service with its address.</summary>
    internal static string Service(string ns, string name, string address, string selector, string port, string labels = "{}") => $$"""
        apiVersion: v1
        kind: Service
        metadata: {name: {{name}}, namespace: {{ns}}, labels: {{labels}}}
        spec:
          clusterIP: {{address}}
          clusterIPs: ["{{address}}"]
          selector: { {{selector}} }
          ports: [{{port}}]
        """;
}
