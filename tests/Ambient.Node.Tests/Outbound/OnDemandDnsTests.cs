using System.Net;
using System.Net.Sockets;
using Ambient.Node.Outbound;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Capture.Dns;
using Ambient.Policy.Routing.Connections;
using Microsoft.Extensions.Time.Testing;

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

    [Theory]
    [InlineData(true, AddressFamily.Unspecified)]
    [InlineData(false, AddressFamily.InterNetwork)]
    public async Task Name_IsAskedForInTheFamiliesThatAreOfUse(bool ipv6, AddressFamily expected)
    {
        var asked = new List<(string, AddressFamily)>();
        var names = new OnDemandDns(new MetricRegistry(), ipv6, TimeProvider.System, (name, family) =>
        {
            asked.Add((name, family));
            return Task.FromResult<IPAddress[]>([IPAddress.Parse("2001:db8::1"), IPAddress.Parse("192.0.2.1")]);
        });

        // Of the family of what was dialled, though another came first.
        Assert.Equal("192.0.2.1:15008", (await CompleteAsync(names, "10.96.0.1:80")).NextHop!.ToString());
        Assert.Equal([("localhost", expected)], asked);
    }

    [Fact]
    public async Task Addresses_AreKeptForHalfAMinute_AndAFailureForTwoSeconds()
    {
        var time = new FakeTimeProvider();
        var asked = 0;
        IPAddress[] answer = [IPAddress.Parse("192.0.2.1")];
        var registry = new MetricRegistry();
        var names = new OnDemandDns(registry, ipv6: false, time, (_, _) =>
        {
            asked++;
            return answer.Length > 0 ? Task.FromResult(answer) : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
        });

        async Task AssertAsync(double later, int count, bool found)
        {
            time.Advance(TimeSpan.FromSeconds(later));
            Assert.Equal(found, (await CompleteAsync(names, "10.96.0.1:80")).Error is null);
            Assert.Equal(count, asked);
        }

        await AssertAsync(0, 1, found: true);
        answer = [];
        await AssertAsync(29.9, 1, found: true);
        await AssertAsync(0.2, 2, found: false);
        answer = [IPAddress.Parse("192.0.2.2")];
        await AssertAsync(1.9, 2, found: false);
        await AssertAsync(0.2, 3, found: true);
    }

    [Fact]
    public async Task ConnectionsThatNeedOneName_WaitForOneAnswer_AndNotForLongerThanFiveSeconds()
    {
        var time = new FakeTimeProvider();
        var asked = 0;
        var names = new OnDemandDns(new MetricRegistry(), ipv6: false, time, (_, _) =>
        {
            asked++;
            return new TaskCompletionSource<IPAddress[]>().Task;
        });

        using var leaves = new CancellationTokenSource();
        var first = CompleteAsync(names, "10.96.0.1:80", leaves.Token);
        var others = Enumerable.Range(0, 100).Select(_ => CompleteAsync(names, "10.96.0.1:80")).ToArray();
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.WaitAsync(TimeSpan.FromSeconds(30)));
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.DoesNotContain(others, other => other.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));

        foreach (var other in others)
        {
            Assert.Equal("no ip addresses were resolved for workload: named", (await other.WaitAsync(TimeSpan.FromSeconds(30))).Error);
        }

        Assert.Equal(1, asked);
    }

    private static async Task<ConnectionRoute> CompleteAsync(OnDemandDns names, string destination, CancellationToken cancellationToken = default)
    {
        var mesh = DnsKit.Mesh(Mesh);
        var source = mesh.Workloads["c//Pod/app/sleep"];
        var asked = IPEndPoint.Parse(destination);
        var route = DestinationResolver.Resolve(mesh, source, asked, Random.Shared);
        Assert.Equal(ConnectionFailure.NameNotResolved, route.Failure);
        return await names.CompleteAsync(route, source, asked, cancellationToken);
    }
}
