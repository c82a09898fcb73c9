using System.Net;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Requests.Conformance;

/// <summary>What every case has: services <c>a</c>, <c>b</c> and <c>c</c> of namespace <c>app</c> and <c>web</c> of <c>other</c>, three gateways and a waypoint.</summary>
internal static class ConformanceMesh
{
    private static readonly (string Namespace, string Name, int Pods)[] s_services = [("app", "a", 2), ("app", "b", 1), ("app", "c", 1), ("other", "web", 1)];

    public static IEnumerable<IPAddress> Pods => s_services.SelectMany((service, i) => Enumerable.Range(1, service.Pods).Select(pod => AddressOf(i, pod)));

    /// <summary>The service whose pod has an address.</summary>
    public static string ServiceOf(IPAddress pod) => s_services[pod.GetAddressBytes()[2] - 1].Name;

    public static MeshStore Load(ConformanceCase @case)
    {
        var load = ManifestLoader.LoadText($"{@case.Name}.yaml", Base() + @case.Manifests);
        Assert.Empty(load.Errors.Items);
        var translated = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        var store = new MeshStore();
        store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build());
        return store;
    }

    private static IPAddress AddressOf(int service, int pod) => IPAddress.Parse($"127.12.{service + 1}.{pod}");

    private static string Base()
    {
        var yaml = new StringBuilder("""
            {apiVersion: v1, kind: Namespace, metadata: {name: app, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}}
            ---
            {apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: web}}}

            """);
        for (var i = 0; i < s_services.Length; i++)
        {
            var (ns, name, pods) = s_services[i];
            yaml.Append($"---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {ns}}}, spec: {{clusterIP: 127.10.1.{i + 1}, selector: {{app: {name}}}, ports: [");
            yaml.Append("{name: http, port: 8080, targetPort: 8080}, {name: http-80, port: 80, targetPort: 8080}, {name: grpc, port: 9000, targetPort: 9000, appProtocol: kubernetes.io/h2c}]}}\n");
            for (var pod = 1; pod <= pods; pod++)
            {
                AddPod($"{name}-{pod - 1}", ns, name, AddressOf(i, pod).ToString());
            }
        }

        foreach (var (name, from) in new[] { ("gw", "Same"), ("all", "All"), ("selected", "Selector, selector: {matchLabels: {team: web}}") })
        {
            yaml.Append($"---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: {name}, namespace: app}}, spec: {{gatewayClassName: istio, listeners: [");
            yaml.Append($"{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {{from: {from}}}}}}}]}}}}\n");
        }

        // Its own workload is where the recorded one is.
        yaml.Append("---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: waypoint, namespace: app}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}, ");
        yaml.Append($"status: {{addresses: [{{type: IPAddress, value: {GoldenEngine.Address}}}]}}}}\n");
        AddPod("waypoint-0", "app", "waypoint", GoldenEngine.Address);
        return yaml.ToString();

        void AddPod(string pod, string ns, string app, string address)
        {
            yaml.Append($"---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {pod}, namespace: {ns}, labels: {{app: {app}, istio.io/dataplane-mode: none}}}}, spec: {{nodeName: node-a, serviceAccountName: {app}, containers: [{{name: app, image: app}}]}}, ");
            yaml.Append($"status: {{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}], conditions: [{{type: Ready, status: \"True\"}}]}}}}\n");
        }
    }
}
