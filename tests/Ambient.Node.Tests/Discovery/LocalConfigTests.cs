using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery;

public sealed class LocalConfigTests
{
    [SkippableFact]
    [Trait("Category", "Golden")]
    public void GoldenPair_Read_IsTheMeshItDescribes()
    {
        var (mesh, errors) = Read(File.ReadAllText(GoldenFolder.Require("ztunnel", "local.yaml")));
        Assert.Empty(errors);
        Assert.Equal(["sleep", "productpage-v1", "legacy"], mesh.Workloads.Select(w => w.Name));
        var productpage = mesh.Workloads[1];
        Assert.Equal(TunnelProtocol.Hbone, productpage.Protocol);
        Assert.Equal(new Locality("r1", "z1", "s1"), productpage.Locality);
        Assert.Equal(["default/deny-9999"], productpage.AuthorizationPolicies.AsEnumerable());
        Assert.Equal(
            [new ServicePort(9080, 8080), new ServicePort(9999, 9999), new ServicePort(9998, 9998)],
            productpage.Services["default/productpage.default.svc.cluster.local"].AsEnumerable());
        Assert.Equal(new NetworkAddress("", IPAddress.Parse("10.96.0.10")), Assert.Single(mesh.Services[0].Vips));
        var policy = mesh.Policies[1];
        Assert.Equal((PolicyScope.Namespace, PolicyAction.Allow), (policy.Scope, policy.Action));
        var clauses = Assert.Single(policy.Rules).Clauses;
        Assert.Equal(
            [
                new StringMatch(StringMatchKind.Exact, "cluster.local/ns/x/sa/y"), new StringMatch(StringMatchKind.Prefix, "a"),
                new StringMatch(StringMatchKind.Suffix, "b"), new StringMatch(StringMatchKind.Presence, ""),
            ],
            clauses[0].Matches[0].Principals.AsEnumerable());
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8")], clauses[1].Matches[0].SourceIPs.AsEnumerable());
    }

    [SkippableFact]
    [Trait("Category", "Golden")]
    public void GoldenDns_Read_IsTheMeshItDescribes()
    {
        var (mesh, errors) = Read(File.ReadAllText(GoldenFolder.Require("ztunnel", "dns.local.yaml")));
        Assert.Empty(errors);
        Assert.Equal((3, 10, 0), (mesh.Workloads.Count, mesh.Services.Count, mesh.Policies.Count));
        Assert.Equal(IPFamilies.Dual, mesh.Services[1].IPFamilies);
        Assert.Equal("net-2/240.0.0.13", Assert.Single(mesh.Services[8].Vips).ToString());
        Assert.Equal("", mesh.Workloads[1].TrustDomain);
    }

    [Fact]
    [Trait("Reference", "local_client")]
    public void EveryField_Read_IsInTheMesh()
    {
        var (mesh, errors) = Read(
            """
            workloads:
            - {uid: u, name: n, namespace: ns, workloadIps: ["fd00::1"], networkMode: HostNetwork, hostname: h, status: Unhealthy, nativeTunnel: true,
               applicationTunnel: {protocol: PROXY, port: 15088}, waypoint: {destination: ns/wp.ns, hboneMtlsPort: 15008},
               networkGateway: {destination: net/10.0.0.1, hboneMtlsPort: 15009}, capacity: 7, workloadType: cronjob, services: {}}
            services:
            - name: s
              namespace: ns
              hostname: s.ns
              vips: []
              cidrVips: [{network: net, cidr: 10.1.0.0/16}]
              ports: {80: 0}
              subjectAltNames: ["spiffe://a/b"]
              weightedWaypoints: [{destination: {destination: /10.0.0.2, hboneMtlsPort: 15008}, weight: 90}]
              loadBalancer: {routingPreferences: [Network, Node], mode: Failover, healthPolicy: AllowAll}
              ipFamilies: IPv6
              visibility: Namespace
            """);
        Assert.Empty(errors);
        var workload = Assert.Single(mesh.Workloads);
        Assert.Equal(
            (NetworkMode.HostNetwork, "h", WorkloadStatus.Unhealthy, true, 7u, WorkloadType.CronJob),
            (workload.NetworkMode, workload.Hostname, workload.Status, workload.NativeTunnel, workload.Capacity, workload.WorkloadType));
        Assert.Equal(new ApplicationTunnel(ApplicationTunnelProtocol.Proxy, 15088), workload.ApplicationTunnel);
        Assert.Equal(("ns/wp.ns", "net/10.0.0.1", 15009), (workload.Waypoint!.ToString(), workload.NetworkGateway!.ToString(), workload.NetworkGateway.HboneMtlsPort));
        var service = Assert.Single(mesh.Services);
        Assert.Equal(new NetworkCidr("net", IPNetwork.Parse("10.1.0.0/16")), Assert.Single(service.CidrVips));
        Assert.Equal(90u, Assert.Single(service.WeightedWaypoints).Weight);
        Assert.Equal(new LoadBalancing([LoadBalancingScope.Network, LoadBalancingScope.Node], LoadBalancingMode.Failover, EndpointHealthPolicy.AllowAll), service.LoadBalancing);
        Assert.Equal((IPFamilies.IPv6Only, ServiceVisibility.Namespace), (service.IPFamilies, service.Visibility));
    }

    [Theory]
    [InlineData("workload: []", "workload", "unknown field")]
    [InlineData("workloads: {}", "workloads", "expected a list")]
    [InlineData("[]", "", "expected an object")]
    [InlineData("workloads: [{name: a}]", "workloads[0].namespace", "missing")]
    [InlineData("workloads: [{namespace: a, ips: []}]", "workloads[0].ips", "unknown field")]
    [InlineData("workloads: [{namespace: a, workloadIps: [x]}]", "workloads[0].workloadIps[0]", "not an IP address")]
    [InlineData("workloads: [{namespace: a, protocol: QUIC}]", "workloads[0].protocol", "expected one of TCP, HBONE")]
    [InlineData("workloads: [{namespace: a, waypoint: {destination: x, hboneMtlsPort: 1}}]", "workloads[0].waypoint.destination", "expected network/ip")]
    [InlineData("workloads: [{namespace: a, services: {a/b: {x: 1}}}]", "workloads[0].services.a/b.x", "not a port")]
    [InlineData("services: [{name: a, namespace: b, hostname: c, ports: {}}]", "services[0].vips", "missing")]
    [InlineData("services: [{name: a, namespace: b, hostname: c, vips: [10.0.0.1], ports: {}}]", "services[0].vips[0]", "expected network/ip")]
    [InlineData("policies: [{name: a, namespace: b, scope: Global, action: Audit, rules: [], dryRun: false}]", "policies[0].action", "expected one of")]
    [InlineData("policies: [{name: a, namespace: b, scope: Global, action: Deny, rules: [{}], dryRun: false}]", "policies[0].rules[0]", "expected a list")]
    [InlineData("policies: [{name: a, namespace: b, scope: Global, action: Deny, rules: [[[{ports: [1]}]]], dryRun: false}]", "policies[0].rules[0][0][0].ports", "unknown field")]
    [InlineData("policies: [{name: a, namespace: b, scope: Global, action: Deny, rules: [[[{principals: [x]}]]], dryRun: false}]", "policies[0].rules[0][0][0].principals[0]", "expected !Exact")]
    [InlineData("policies: [{name: a, namespace: b, scope: Global, action: Deny, rules: [[[{sourceIps: [x]}]]], dryRun: false}]", "policies[0].rules[0][0][0].sourceIps[0]", "not an IP address")]
    public void Invalid_Read_IsReportedWithField(string yaml, string field, string message)
    {
        var error = Assert.Single(Read(yaml).Errors);
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(1, error.Line);
    }

    [Fact]
    public async Task Source_WithInlineText_PublishesIt()
    {
        var store = new MeshStore();
        await using var source = MeshSource.Create(
            new DiscoveryOptions { LocalConfig = "workloads: [{uid: u, name: n, namespace: ns, workloadIps: [10.0.0.1]}]" }, store, new RecordingLogger());
        await source.StartAsync(default);
        Assert.Equal("n", store.Current.FindWorkload("", IPAddress.Parse("10.0.0.1"))?.Name);
    }

    [Fact]
    public async Task Source_WithErrors_FailsWithAllOfThem()
    {
        await using var source = MeshSource.Create(new DiscoveryOptions { LocalConfig = "x: 1\ny: 2\n" }, new MeshStore(), new RecordingLogger());
        var error = await Assert.ThrowsAsync<MeshSourceException>(() => source.StartAsync(default));
        Assert.Equal([1, 2], error.Errors.Select(e => e.Line));
        Assert.Contains("LOCAL_XDS:2:1", error.Message, StringComparison.Ordinal);
    }

    private static (MeshTranslation Mesh, IReadOnlyList<ConfigurationError> Errors) Read(string yaml)
    {
        var errors = new ConfigurationErrors { File = "local.yaml" };
        return (new LocalConfigReader(errors).Read(() => new StringReader(yaml)), errors.Items);
    }
}
