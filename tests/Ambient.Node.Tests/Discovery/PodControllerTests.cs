using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Tests.Discovery;

/// <summary>What one machine has to do that a cluster's controllers do elsewhere.</summary>
public sealed class PodControllerTests
{
    private const string Containers = "containers: [{name: c, image: c, ports: [{name: main, containerPort: 8080}]}]";

    [Theory]
    [InlineData("apps/v1", "Deployment", "replicas: 2, ", "x-0 x-1")]
    [InlineData("apps/v1", "StatefulSet", "serviceName: x, replicas: 2, ", "x-0 x-1")]
    [InlineData("apps/v1", "StatefulSet", "ordinals: {start: 5}, replicas: 2, ", "x-5 x-6")]
    [InlineData("apps/v1", "StatefulSet", "replicas: 0, ", "")]
    [InlineData("apps/v1", "DaemonSet", "", "x-0")]
    [InlineData("apps/v1", "ReplicaSet", "replicas: 2, ", "x-0 x-1")]
    [InlineData("v1", "ReplicationController", "replicas: 2, ", "x-0 x-1")]
    [InlineData("batch/v1", "Job", "", "x-0")]
    [InlineData("batch/v1", "Job", "parallelism: 3, completions: 2, ", "x-0 x-1")]
    [InlineData("batch/v1", "Job", "parallelism: 3, ", "x-0 x-1 x-2")]
    [InlineData("batch/v1", "Job", "suspend: true, ", "")]
    public void Controller_OfAnyKind_HasItsPods(string version, string kind, string spec, string expected)
    {
        var mesh = ManifestText.Translate(
            $$"""
            apiVersion: {{version}}
            kind: {{kind}}
            metadata: {name: x, namespace: app}
            spec: { {{spec}}template: {metadata: {labels: {app: x} }, spec: {serviceAccountName: x, {{Containers}} } } }
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: x, namespace: app}
            spec: {selector: {app: x}, ports: [{port: 80, targetPort: main}]}
            """);
        Assert.Equal(expected, string.Join(' ', mesh.Workloads.Select(workload => workload.Name)));
        Assert.All(mesh.Workloads, workload =>
        {
            Assert.Equal(("x", "x"), (workload.ServiceAccount, workload.WorkloadName));
            Assert.Equal([new ServicePort(80, 8080)], workload.Services["app/x.app.svc.cluster.local"].AsEnumerable());
        });
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("suspend: true, ", 0)]
    public void CronJob_HasAPodUnlessItIsSuspended(string spec, int pods)
    {
        var mesh = ManifestText.Translate(
            $$"""
            apiVersion: batch/v1
            kind: CronJob
            metadata: {name: sweep}
            spec: { {{spec}}schedule: "0 3 * * *", jobTemplate: {spec: {template: {metadata: {labels: {app: sweep} }, spec: {restartPolicy: Never, {{Containers}} } } } } }
            """);
        Assert.Equal(pods, mesh.Workloads.Count);
    }

    [Fact]
    public void Job_ThatHasCompleted_HasNoPods() => Assert.Empty(ManifestText.Translate(
        $$"""
        apiVersion: batch/v1
        kind: Job
        metadata: {name: load}
        spec: {template: {spec: { {{Containers}} } } }
        status: {succeeded: 1, completionTime: "2026-01-01T00:00:00Z"}
        """).Workloads);

    [Theory]
    [InlineData("batch/v1", "CronJob", "spec: {}", "spec.jobTemplate")]
    [InlineData("batch/v1", "CronJob", "spec: {jobTemplate: {spec: {}}}", "spec.jobTemplate.spec.template")]
    [InlineData("apps/v1", "StatefulSet", "spec: {}", "spec.template")]
    [InlineData("batch/v1", "Job", "spec: {parallelism: -1, template: {}}", "spec.parallelism")]
    public void Controller_Invalid_IsReportedWithField(string version, string kind, string spec, string field) =>
        Assert.Contains(field, ManifestText.Errors($"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n{spec}\n").Select(error => error.Field));

    [Fact]
    public void Controllers_OfOneName_KeepTheirPodsApart()
    {
        var mesh = ManifestText.Translate(string.Join("\n---\n", new[] { "Deployment", "DaemonSet", "StatefulSet" }.Select(kind =>
            $$"""
            apiVersion: apps/v1
            kind: {{kind}}
            metadata: {name: x}
            spec: {template: {metadata: {labels: {kind: {{kind}} } }, spec: { {{Containers}} } } }
            """)));
        Assert.Equal(3, mesh.Workloads.Count);
        Assert.Contains("x-0", mesh.Workloads.Select(workload => workload.Name));
        Assert.Equal(3, mesh.Workloads.Select(workload => workload.Addresses[0]).Distinct().Count());
    }

    [Fact]
    public void Controller_MadeByAnother_HasNoPodsOfItsOwn()
    {
        var mesh = ManifestText.Translate(
            $$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: x}
            spec: {template: {spec: { {{Containers}} } } }
            ---
            apiVersion: apps/v1
            kind: ReplicaSet
            metadata: {name: x-abc, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: x, controller: true, uid: u}]}
            spec: {template: {spec: { {{Containers}} } } }
            """);
        Assert.Equal(["x-0"], mesh.Workloads.Select(workload => workload.Name));
    }

    [Theory]
    [InlineData("web-0.web", "web-0")]
    [InlineData("web-1.web", "web-1")]
    [InlineData("web-1.web.app", "web-1")]
    [InlineData("web-1.web.app.svc", "web-1")]
    [InlineData("web-1.web.app.svc.cluster.local", "web-1")]
    [InlineData("WEB-1.web.app.svc.cluster.local.", "web-1")]
    [InlineData("web-2.web.app", null)]
    [InlineData("web-0.other.app", null)]
    public void PodOfAStatefulSet_IsNamedByItsHeadlessService(string name, string? expected)
    {
        var mesh = Snapshot(
            $$"""
            apiVersion: apps/v1
            kind: StatefulSet
            metadata: {name: web, namespace: app}
            spec: {serviceName: web, replicas: 2, template: {metadata: {labels: {app: web} }, spec: { {{Containers}} } } }
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: app}
            spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80, targetPort: main}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: other, namespace: app}
            spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: main}]}
            """);
        var client = mesh.Workloads.Values.First(workload => workload.Name == "web-0");
        var resolved = MeshNames.Resolve(mesh, client, name, new NameRules("cluster.local", PodNames: true), AddressFamily.InterNetwork, new Random(1));
        var pod = mesh.Workloads.Values.SingleOrDefault(workload => workload.Name == expected);
        Assert.Equal(pod?.Addresses[0], resolved);
        var answer = MeshNames.Lookup(mesh, client, name.TrimEnd('.').ToLowerInvariant(), AddressFamily.InterNetwork, new NameRules("cluster.local", PodNames: true));
        Assert.Equal(pod?.Addresses[0], answer?.Addresses.Single());
    }

    [Fact]
    public void ServiceEntry_WithoutAddresses_GetsOneForEachHost()
    {
        var mesh = ManifestText.Translate(Entry("hosts: [stat.example, other.example], resolution: STATIC, endpoints: [{address: 127.70.0.51}]"));
        Assert.Equal(2, mesh.Services.Count);
        Assert.Equal(2, mesh.Services.Select(service => Assert.Single(service.Vips).Address).Distinct().Count());
        Assert.All(mesh.Services, service => Assert.True(System.Net.IPNetwork.Parse("127.128.0.0/10").Contains(service.Vips[0].Address)));
        Assert.Equal(mesh.Services.Select(service => service.Vips[0]), ManifestText.Translate(Entry("hosts: [other.example, stat.example], resolution: DNS")).Services.OrderByDescending(s => s.Hostname, StringComparer.Ordinal).Select(s => s.Vips[0]));
    }

    [Theory]
    [InlineData("hosts: [a.example], resolution: NONE")]
    [InlineData("hosts: ['*.example'], resolution: STATIC")]
    public void ServiceEntry_ThatNoAddressCanServe_GetsNone(string spec) =>
        Assert.Empty(Assert.Single(ManifestText.Translate(Entry(spec)).Services).Vips);

    [Theory]
    [InlineData("alias.app", "echo")]
    [InlineData("alias.app.svc.cluster.local", "echo")]
    [InlineData("again.app", "echo")]
    [InlineData("foreign.app", "entry")]
    [InlineData("outside.app", "outside")]
    [InlineData("circle.app", null)]
    public void ExternalName_LeadsToWhatItNames(string name, string? expected)
    {
        var mesh = Snapshot(
            Entry("hosts: [entry.example], resolution: STATIC, endpoints: [{address: 127.70.0.51}]") + "\n" + string.Join('\n', new[]
            {
                ("alias", "echo.app.svc.cluster.local.", ""), ("again", "alias.app.svc.cluster.local", ""), ("foreign", "entry.example", ""),
                ("outside", "db.elsewhere.example", ", ports: [{name: tcp, port: 5432}]"), ("circle", "round.app.svc.cluster.local", ""), ("round", "circle.app.svc.cluster.local", ""),
            }.Select(alias => $"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {alias.Item1}, namespace: app}}\nspec: {{type: ExternalName, externalName: {alias.Item2}{alias.Item3}}}")) +
            "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: echo, namespace: app}\nspec: {selector: {app: echo}, ports: [{name: http, port: 80}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: client, namespace: app}\n");
        var client = mesh.Workloads.Values.First(workload => workload.Name == "client");
        var resolved = MeshNames.Resolve(mesh, client, name, new NameRules("cluster.local", PodNames: true), AddressFamily.InterNetwork, new Random(1));
        var service = mesh.Services.Values.SingleOrDefault(service => service.Name == expected);
        Assert.Equal(service?.Vips[0].Address, resolved);
    }

    [Fact]
    public void ExternalName_ThatIsTakenAway_LeadsNowhere()
    {
        var with = Snapshot(Alias + Echo);
        var without = new MeshSnapshotBuilder(with).ReplaceAll([], ManifestText.Translate(Echo).Services, []).Build();
        Assert.Single(with.ServicesOfHostname("alias.default.svc.cluster.local"));
        Assert.Empty(without.ServicesOfHostname("alias.default.svc.cluster.local"));
        Assert.Single(without.ServicesOfHostname("echo.default.svc.cluster.local"));
    }

    [Fact]
    public void ExternalName_OutsideTheMesh_IsAServiceWhoseEndpointDnsFinds()
    {
        var mesh = ManifestText.Translate("apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: db.elsewhere.example, ports: [{port: 5432}]}\n");
        Assert.Equal("db.elsewhere.example", Assert.Single(mesh.Workloads).Hostname);
        Assert.Equal("db.default.svc.cluster.local", Assert.Single(mesh.Services).Hostname);
        Assert.Equal([new ServicePort(5432, 5432)], Assert.Single(mesh.Workloads).Services["default/db.default.svc.cluster.local"].AsEnumerable());
    }

    [Theory]
    [InlineData("spec: {type: ExternalName}", "missing")]
    [InlineData("spec: {type: ExternalName, externalName: 'a b'}", "not a DNS name")]
    public void ExternalName_Invalid_IsAnError(string spec, string message) => Assert.Contains(
        message, Assert.Single(ManifestText.Errors($"apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\n{spec}\n")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: manual-1, namespace: app, labels: {kubernetes.io/service-name: manual}}\naddressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [{addresses: [127.70.0.51], conditions: {ready: true}}]")]
    [InlineData("apiVersion: v1\nkind: Endpoints\nmetadata: {name: manual, namespace: app}\nsubsets: [{addresses: [{ip: 127.70.0.51}], ports: [{name: http, port: 8080}]}]")]
    public void Endpoints_WrittenDown_AreThoseOfTheirService(string endpoints)
    {
        var mesh = ManifestText.Translate($"apiVersion: v1\nkind: Service\nmetadata: {{name: manual, namespace: app}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\n{endpoints}\n");
        var endpoint = Assert.Single(mesh.Workloads);
        Assert.Equal("127.70.0.51", endpoint.Addresses[0].ToString());
        Assert.Equal([new ServicePort(80, 8080)], endpoint.Services["app/manual.app.svc.cluster.local"].AsEnumerable());
    }

    private const string Alias = "apiVersion: v1\nkind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: echo.default.svc.cluster.local}\n---\n";
    private const string Echo = "apiVersion: v1\nkind: Service\nmetadata: {name: echo}\nspec: {ports: [{port: 80}]}\n";

    private static string Entry(string spec) =>
        $"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: entry, namespace: app}}\nspec: {{ports: [{{number: 80, name: http, protocol: HTTP}}], {spec}}}";

    private static MeshSnapshot Snapshot(string yaml)
    {
        var mesh = ManifestText.Translate(yaml);
        return new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies).Build();
    }
}
