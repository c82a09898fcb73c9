using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery;

public sealed class ControllerExpansionTests
{
    private const string Deployment =
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop}
        spec:
          replicas: 2
          template:
            metadata: {labels: {app: web, version: v2}}
            spec:
              serviceAccountName: web-account
              nodeSelector: {kubernetes.io/hostname: node-b}
              containers:
              - name: web
                ports: [{name: http, containerPort: 8080}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec:
          selector: {app: web}
          ports: [{port: 80, targetPort: http, name: http}]
        ---
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
        """;

    [Fact]
    public void Deployment_Expanded_BecomesReadyCapturedPods()
    {
        var mesh = ManifestText.Translate(Deployment);
        Assert.Equal(["Kubernetes//Pod/shop/web-0", "Kubernetes//Pod/shop/web-1"], mesh.Workloads.Select(w => w.Uid));
        Assert.All(mesh.Workloads, workload =>
        {
            Assert.Equal("web", workload.WorkloadName);
            Assert.Equal(("web", "v2"), (workload.CanonicalName, workload.CanonicalRevision));
            Assert.Equal("web-account", workload.ServiceAccount);
            Assert.Equal("node-b", workload.Node);
            Assert.Equal(TunnelProtocol.Hbone, workload.Protocol);
            Assert.False(workload.NativeTunnel);
            Assert.Equal(WorkloadStatus.Healthy, workload.Status);
            Assert.Equal([new ServicePort(80, 8080)], workload.Services["shop/web.shop.svc.cluster.local"].AsEnumerable());
            Assert.True(IPNetwork.Parse("127.64.0.0/10").Contains(Assert.Single(workload.Addresses)));
        });
        var service = Assert.Single(mesh.Services);
        Assert.True(IPNetwork.Parse("127.128.0.0/10").Contains(Assert.Single(service.Vips).Address));
    }

    [Fact]
    public void PodThatIsBeingDeleted_IsSentNoNewConnections()
    {
        var mesh = ManifestText.Translate(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: here, namespace: n}\n"
            + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: leaving, namespace: n, deletionTimestamp: \"2026-11-29T10:00:00Z\"}\n");
        Assert.Equal([WorkloadStatus.Healthy, WorkloadStatus.Unhealthy], mesh.Workloads.OrderBy(workload => workload.Name).Select(workload => workload.Status));
    }

    [Fact]
    public void Addresses_ComputedTwice_AreTheSameWhateverTheOrderOfDocuments()
    {
        var reversed = string.Join("\n---\n", Deployment.Split("---").Reverse());
        Assert.Equal(Addresses(Deployment), Addresses(reversed));
    }

    [Fact]
    public void Addresses_AreThoseThatOtherProcessesCompute()
    {
        // Part of the contract between processes of different versions: a change of the hash would split a mesh.
        Assert.Equal("127.83.194.212", new ComputedAddresses(ComputedAddresses.Pods).Take("default/reviews-v1-0").ToString());
        Assert.Equal("127.139.215.108", new ComputedAddresses(ComputedAddresses.Services).Take("default/reviews").ToString());
    }

    [Fact]
    public void Addresses_ThatCollide_AreToldApart()
    {
        var addresses = new ComputedAddresses(ComputedAddresses.Pods);
        var first = new ComputedAddresses(ComputedAddresses.Pods).Take("a/b");
        addresses.Reserve(first);
        var second = addresses.Take("a/b");
        Assert.NotEqual(first, second);
        Assert.True(IPNetwork.Parse("127.64.0.0/10").Contains(second));
    }

    [Fact]
    public void Addresses_OfTenThousandPods_AreDistinctAndUsable()
    {
        var addresses = new ComputedAddresses(ComputedAddresses.Pods);
        var taken = Enumerable.Range(0, 10_000).Select(i => addresses.Take($"ns/pod-{i}")).ToList();
        Assert.Equal(taken.Count, taken.Distinct().Count());
        Assert.DoesNotContain(taken, address => address.GetAddressBytes()[3] is 0 or 255);
    }

    [Fact]
    public void Address_ByAnnotation_IsUsed()
    {
        var mesh = ManifestText.Translate("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {ambient.dev/address: 127.5.5.5}}");
        Assert.Equal(IPAddress.Parse("127.5.5.5"), Assert.Single(Assert.Single(mesh.Workloads).Addresses));
    }

    [Theory]
    [InlineData("metadata: {name: a, namespace: n, labels: {istio.io/dataplane-mode: none}}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: n}", TunnelProtocol.Hbone)]
    [InlineData("metadata: {name: a, namespace: m}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: m, labels: {istio.io/dataplane-mode: ambient}}", TunnelProtocol.Hbone)]
    [InlineData("metadata: {name: a, namespace: n}\nspec: {hostNetwork: true}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: n}\nspec: {containers: [{name: istio-proxy}]}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: n, labels: {gateway.networking.k8s.io/gateway-name: g}}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: n, labels: {istio.io/dataplane-mode: none, networking.istio.io/tunnel: http}}", TunnelProtocol.Hbone)]
    [InlineData("metadata: {name: a, namespace: n}\nstatus: {phase: Running, podIP: 10.0.0.1}", TunnelProtocol.Tcp)]
    [InlineData("metadata: {name: a, namespace: m, annotations: {ambient.istio.io/redirection: enabled}}\nstatus: {phase: Running, podIP: 10.0.0.1}", TunnelProtocol.Hbone)]
    public void Pod_Enrolment_FollowsLabelsOrTheCni(string pod, TunnelProtocol expected)
    {
        var mesh = ManifestText.Translate(
            $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n, labels: {{istio.io/dataplane-mode: ambient}}}}\n---\napiVersion: v1\nkind: Pod\n{pod}");
        Assert.Equal(expected, Assert.Single(mesh.Workloads).Protocol);
    }

    [Fact]
    public void Waypoint_Expanded_IsOneHbonePodBehindAServiceThatBindings_PointTo()
    {
        var mesh = ManifestText.Translate(
            Deployment.Replace("ambient}", "ambient, istio.io/use-waypoint: wp}", StringComparison.Ordinal) +
            """

            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: wp, namespace: shop}
            spec:
              gatewayClassName: istio-waypoint
              listeners: [{name: mesh, port: 15008, protocol: HBONE}]
            """);
        var pod = mesh.Workloads.Single(w => w.Name == "wp-0");
        Assert.Equal(("wp", TunnelProtocol.Hbone, true), (pod.ServiceAccount, pod.Protocol, pod.NativeTunnel));
        Assert.Null(pod.Waypoint);
        var service = mesh.Services.Single(s => s.Name == "wp");
        Assert.Equal([new ServicePort(15008, 15008)], service.Ports.AsEnumerable());
        Assert.Null(service.Waypoint);
        Assert.Contains(service.Key, pod.Services.Keys);
        var bound = mesh.Services.Single(s => s.Name == "web").Waypoint!;
        Assert.Equal(("shop/wp.shop.svc.cluster.local", 15008), (bound.ToString(), bound.HboneMtlsPort));
        Assert.Equal("wp", mesh.Requests.Gateways["shop/wp"].PodLabels["gateway.networking.k8s.io/gateway-name"]);
    }

    [Fact]
    public void Gateway_Expanded_IsOnePlainPodBehindAServiceOfItsListeners()
    {
        var mesh = ManifestText.Translate(
            """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: front}
            spec:
              gatewayClassName: istio
              listeners:
              - {name: http, port: 80, protocol: HTTP}
              - {name: other, port: 80, protocol: HTTP, hostname: a.example}
              - {name: https, port: 443, protocol: HTTPS}
            """);
        var pod = Assert.Single(mesh.Workloads);
        Assert.Equal(("front-istio-0", "front-istio", TunnelProtocol.Tcp), (pod.Name, pod.ServiceAccount, pod.Protocol));
        var service = Assert.Single(mesh.Services);
        Assert.Equal("front-istio.default.svc.cluster.local", service.Hostname);
        Assert.Equal([new ServicePort(80, 80, AppProtocol.Http11), new ServicePort(443, 443, AppProtocol.Tls)], service.Ports.AsEnumerable());
    }

    [Fact]
    public void Gateway_BesidePodsOfACluster_IsLeftToTheCluster()
    {
        var mesh = ManifestText.Translate(
            """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: wp}
            spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: a}
            status: {podIP: 10.0.0.1, phase: Running}
            """);
        Assert.Equal(["a"], mesh.Workloads.Select(w => w.Name));
        Assert.Empty(mesh.Services);
    }

    [Fact]
    public void Bookinfo_AsTheWalkthroughAppliesIt_IsAMesh()
    {
        var folder = FindBookinfo();
        Skip.If(folder is null, "samples/Bookinfo/k8s is not beside the tests");
        var files = new[] { "namespace-ambient-waypoint.yaml", "bookinfo.yaml", "bookinfo-versions.yaml", "bookinfo-gateway.yaml", "sleep.yaml", "notsleep.yaml", "waypoint.yaml", "productpage-viewer-l7.yaml", "route-reviews-90-10.yaml" };
        var mesh = ManifestText.Translate(string.Join("\n---\n", files.Select(file => File.ReadAllText(Path.Combine(folder, file)))));
        Assert.Equal(10, mesh.Workloads.Count);
        Assert.Equal(8, mesh.Workloads.Count(w => w.Protocol == TunnelProtocol.Hbone && !w.NativeTunnel));
        Assert.Equal([90, 10], Assert.IsType<ForwardAction>(mesh.Requests.HttpRoutes["default/reviews"].Rules[0].Action).Backends.Select(b => b.Weight));
        Assert.Empty(mesh.Policies);
    }

    private static string? FindBookinfo()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "samples", "Bookinfo", "k8s");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    private static List<string> Addresses(string yaml)
    {
        var mesh = ManifestText.Translate(yaml);
        return
        [
            .. mesh.Workloads.Select(w => $"{w.Uid} {w.Addresses[0]}"),
            .. mesh.Services.Select(s => $"{s.Key} {s.Vips[0]}"),
        ];
    }
}
