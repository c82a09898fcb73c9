using System.Net;
using Ambient.Node.Diagnostics;
using Ambient.Node.Diagnostics.Metrics;
using Ambient.Node.Outbound;
using Ambient.Node.Tests.Capture.Dns;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Tests.Outbound;

public sealed class OnDemandDnsTests
{
    private const string Mesh = """
        workloads:
        - {uid: c//Pod/app/sleep, name: sleep, namespace: app, serviceAccount: sleep, trustDomain: cluster.local, workloadIps: ["10.0.0.2"], protocol: HBONE, node: n1, network: "", services: {}}
        - {uid: named, name: named, namespace: app, serviceAccount: web, trustDomain: cluster.local, workloadIps: [], hostname: localhost, protocol: HBONE, node: n1, network: "", services: {"app/named.example": {80: 8080}}}
        - {uid: lost, name: lost, namespace: app, serviceAccount: web, trustDomain: cluster.local, workloadIps: [], hostname: nobody.invalid, protocol: TCP, node: n1, network: "", services: {"app/lost.example": {80: 8080}}}
        services:
        - {name: named, namespace: app, hostname: named.example, vips: ["/10.96.0.1"], ports: {80: 8080}}
        - {name: lost, namespace: app, hostname: lost.example, vips: ["/10.96.0.2"], ports: {80: 8080}}
        policies: []
        """;

    [Fact]
    [Trait("Reference", "test_on_demand_dns_request")]
    public async Task WorkloadWithANameOnly_IsDialledAtItsAddress_AndCounted()
    {
        var registry = new MetricRegistry();
        var names = new OnDemandDns(registry, ipv6: false, TimeProvider.System);

        for (var i = 0; i < 2; i++)
        {
            var route = await CompleteAsync(names, "10.96.0.1:80");
            Assert.Null(route.Error);
            Assert.Equal("127.0.0.1:15008", route.NextHop!.ToString());
            Assert.Equal("127.0.0.1:8080", route.Authority);
        }

        var text = Utf8TextBuilder.Rent();
        registry.Write(text);
        var metrics = System.Text.Encoding.UTF8.GetString(text.Written);
        text.Return();
        var series = Assert.Single(metrics.Split('\n'), line => line.StartsWith("istio_on_demand_dns_total{", StringComparison.Ordinal));
        Assert.EndsWith("hostname=\"localhost\"} 2", series, StringComparison.Ordinal);
        Assert.Contains("source_workload_namespace=\"app\"", series, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NameWithoutAddresses_IsAnError()
    {
        var names = new OnDemandDns(new MetricRegistry(), ipv6: true, TimeProvider.System);

        var route = await CompleteAsync(names, "10.96.0.2:80");

        Assert.Equal(ConnectionFailure.NameNotResolved, route.Failure);
        Assert.Equal("no ip addresses were resolved for workload: lost", route.Error);
    }

    private static async Task<ConnectionRoute> CompleteAsync(OnDemandDns names, string destination)
    {
        var mesh = DnsKit.Mesh(Mesh);
        var source = mesh.Workloads["c//Pod/app/sleep"];
        var asked = IPEndPoint.Parse(destination);
        var route = DestinationResolver.Resolve(mesh, source, asked, Random.Shared);
        Assert.Equal(ConnectionFailure.NameNotResolved, route.Failure);
        return await names.CompleteAsync(route, source, asked, CancellationToken.None);
    }
}
