using System.Diagnostics;
using System.Net;
using Ambient.Testing.Certificates;

namespace Ambient.Attack;

/// <summary>
/// A waypoint or gateway process before two services whose pods are not in the mesh: <c>web</c> is honest, <c>hostile</c> is the attacker's. At the
/// gateway, paths under <c>/hostile</c> lead to the second one.
/// </summary>
internal sealed class EngineHost : TargetHost
{
    public const string Web = "127.91.0.2";
    public const string Hostile = "127.91.0.4";

    private EngineHost(Process process, string folder, TestAuthority authority)
        : base(process, folder, authority)
    {
    }

    public static async Task<EngineHost> StartAsync(AttackOptions options, AttackTarget target)
    {
        var folder = Directory.CreateTempSubdirectory("ambient-attack-").FullName;
        var authority = new TestAuthority();
        authority.SaveRoot(AuthorityIn(folder));
        var manifests = Directory.CreateDirectory(Path.Combine(folder, "manifests")).FullName;
        await File.WriteAllTextAsync(Path.Combine(manifests, "mesh.yaml"), Mesh);
        string[] command = options.Pin ? ["taskset", "-c", "0", options.EngineHost] : [options.EngineHost];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["GATEWAY_NAME"] = target == AttackTarget.Gateway ? "edge" : "waypoint";
        start.Environment["POD_NAMESPACE"] = "default";
        start.Environment["AMBIENT_MANIFESTS"] = manifests;
        start.Environment["AMBIENT_CA_DIR"] = AuthorityIn(folder);
        start.Environment["AMBIENT_POD_RANGE"] = "127.91.16.0/24";
        var host = new EngineHost(Process.Start(start)!, folder, authority);
        var address = await host.StartedAsync(target == AttackTarget.Gateway ? "listener port 8080 is open on " : "serving istio-waypoint default/waypoint on ");
        host.Target = IPEndPoint.Parse(address.Split(' ')[0].TrimEnd(';', ','));
        return host;
    }

    private static string Mesh => $"""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: default
          labels:
            istio.io/use-waypoint: waypoint
        {Service("web", Web)}
        {Service("hostile", Hostile)}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata:
          name: waypoint
          namespace: default
          labels:
            istio.io/waypoint-for: service
        spec:
          gatewayClassName: istio-waypoint
          listeners:
          - name: mesh
            port: 15008
            protocol: HBONE
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata:
          name: edge
          namespace: default
        spec:
          gatewayClassName: istio
          listeners:
          - name: http
            port: 8080
            protocol: HTTP
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata:
          name: edge
          namespace: default
        spec:
          parentRefs:
          - name: edge
          rules:
          - matches:
            - path:
                type: PathPrefix
                value: /hostile
            backendRefs:
            - name: hostile
              port: 80
          - backendRefs:
            - name: web
              port: 80

        """;

    private static string Service(string name, string address) => $"""
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: {name}
          namespace: default
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: {name}
          namespace: default
        spec:
          selector:
            matchLabels:
              app: {name}
          template:
            metadata:
              annotations:
                ambient.dev/address: {address}
              labels:
                app: {name}
            spec:
              nodeName: local
              serviceAccountName: {name}
              containers:
              - name: app
                image: app
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: {name}
          namespace: default
        spec:
          selector:
            app: {name}
          ports:
          - name: http
            port: 80
            targetPort: 8080
        """;
}
