using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Who is captured and who is not, by a ztunnel in each pod (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class DedicatedTests
{
    private const string Hello = "hello worldhello world";

    [SkippableFact]
    [Trait("Reference", "server_uncaptured_dedicated")]
    [Trait("Reference", "client_uncaptured_dedicated")]
    public async Task CapturedToUncaptured_Dedicated_IsPlaintextWithoutIdentities()
    {
        await using var cluster = await TwoPodsAsync(CaptureMode.Dedicated, serverNode: "node-1", serverCaptured: false);
        await UncapturedServerAsync(cluster);
    }

    [SkippableFact]
    [Trait("Reference", "cross_node_captured_dedicated")]
    public async Task CapturedToCaptured_Dedicated_OnTwoNodes_IsMutualTls()
    {
        await using var cluster = await TwoPodsAsync(CaptureMode.Dedicated, serverNode: "node-2", serverCaptured: true);
        await BothCapturedAsync(cluster);
    }

    [SkippableFact]
    public async Task UncapturedToCaptured_Dedicated_IsDeliveredAsPlaintext_FromTheClientsAddress()
    {
        await using var cluster = await (await NamespaceCluster.CreateAsync(CaptureMode.Dedicated)).WithPodsAsync(
            new ClusterPod("client", "node-1", false, "", "10.78.1.2"), new ClusterPod("server", "node-2", true, "", "10.78.2.2"));
        await cluster.WithEcho("server").StartAsync();

        Assert.Equal(Hello, await cluster.CallAsync("client", "10.78.2.2"));

        var inbound = await cluster.AccessAsync("server", line => line.Message == "connection complete");
        Assert.StartsWith("10.78.1.2:", inbound["src.addr"], StringComparison.Ordinal);
        Assert.Equal("10.78.2.2:8080", inbound["dst.addr"]);
        Assert.Equal("inbound", inbound["direction"]);
        Assert.Null(inbound["src.identity"]);
    }

    [SkippableFact]
    public async Task CapturedToCaptured_Dedicated_OverIPv6()
    {
        await using var cluster = await TwoPodsAsync(CaptureMode.Dedicated, serverNode: "node-2", serverCaptured: true);

        Assert.Equal(Hello, await cluster.CallAsync("client", "fd78::2:2"));

        var outbound = await cluster.AccessAsync("client", line => line.Message == "connection complete");
        Assert.Equal("[fd78::2:2]:15008", outbound["dst.addr"]);
        Assert.Equal("[fd78::2:2]:8080", outbound["dst.hbone_addr"]);
        Assert.True(outbound.HasIdentities);
    }

    [SkippableFact]
    public async Task WithoutProxy_NamesAreAnswered_AndNothingElseListens()
    {
        await using var cluster = await (await NamespaceCluster.CreateAsync(CaptureMode.Dedicated)).WithPodsAsync(new ClusterPod("client", "node-1", true, "", "10.78.1.2"));
        cluster.Settings["ENABLE_PROXY"] = "false";
        cluster.Settings["RUST_LOG"] = "info,ztunnel=debug";
        cluster.WithService("""
            name: web
            namespace: default
            hostname: web.default.svc.cluster.local
            vips: ["/10.10.1.9"]
            ports: {80: 8080}
            """);
        await cluster.StartAsync();

        // A question for web.default.svc.cluster.local, type A, over TCP; the answer ends with the address.
        using var dns = await cluster.ConnectAsync("client", "127.0.0.1", 15053);
        var name = string.Concat("web.default.svc.cluster.local".Split('.').Select(label => (char)label.Length + label)) + "\0";
        var question = "\0\u0001\u0001\0\0\u0001\0\0\0\0\0\0" + name + "\0\u0001\0\u0001";
        await dns.SendAsync(System.Text.Encoding.Latin1.GetBytes((char)(question.Length >> 8) + "" + (char)(question.Length & 0xFF) + question));
        var answer = new byte[512];
        var length = await dns.ReceiveAsync(answer).WaitAsync(Exchange.Patience);
        Assert.Equal([10, 10, 1, 9], answer[(length - 4)..length]);

        foreach (var port in (int[])[15001, 15006, 15008])
        {
            await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => cluster.ConnectAsync("client", "127.0.0.1", port));
        }

        // The admin endpoint is on both loopback addresses, and the log shows what was set.
        using var http = cluster.HttpFrom("client");
        Assert.Contains("\"proxy\": false", await http.GetStringAsync(new Uri("http://[::1]:15000/config_dump")), StringComparison.Ordinal);
        await cluster.ZtunnelOf("client").WaitForLineAsync("\"proxy\":false");
    }

    [SkippableFact]
    public async Task PodThatCallsItself_IsNotCaptured()
    {
        await using var cluster = await TwoPodsAsync(CaptureMode.Dedicated, serverNode: "node-1", serverCaptured: true);

        Assert.Equal(Hello, await cluster.CallAsync("server", "10.78.2.2"));

        Assert.Empty(cluster.ZtunnelOf("server").AccessLines);
    }

    private static async Task<NamespaceCluster> TwoPodsAsync(CaptureMode mode, string serverNode, bool serverCaptured)
    {
        var cluster = await (await NamespaceCluster.CreateAsync(mode)).WithPodsAsync(
            new ClusterPod("client", "node-1", true, "", "10.78.1.2", "fd78::1:2"),
            new ClusterPod("server", serverNode, serverCaptured, "", "10.78.2.2", "fd78::2:2"));
        try
        {
            return await cluster.WithEcho("server").StartAsync();
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    private static async Task UncapturedServerAsync(NamespaceCluster cluster)
    {
        Assert.Equal(Hello, await cluster.CallAsync("client", "10.78.2.2"));

        var outbound = await cluster.AccessAsync("client", line => line.Message == "connection complete");
        Assert.Equal("outbound", outbound["direction"]);
        Assert.Equal("server", outbound["dst.workload"]);
        Assert.Null(outbound["src.identity"]);
        Assert.Null(outbound["dst.identity"]);
        CountedOnce(await cluster.MetricsOfAsync("client"), "source", "unknown");
        Assert.Equal(0, (await cluster.MetricsOfAsync("client")).Sum("istio_tcp_connections_opened_total", ("reporter", "destination")));
    }

    private static async Task BothCapturedAsync(NamespaceCluster cluster)
    {
        Assert.Equal(Hello, await cluster.CallAsync("client", "10.78.2.2"));

        var outbound = await cluster.AccessAsync("client", line => line.Message == "connection complete" && line["direction"] == "outbound");
        var inbound = await cluster.AccessAsync("server", line => line.Message == "connection complete" && line["direction"] == "inbound");
        foreach (var line in (AccessLogLine[])[outbound, inbound])
        {
            Assert.Equal("spiffe://cluster.local/ns/default/sa/client", line["src.identity"]);
            Assert.Equal("spiffe://cluster.local/ns/default/sa/server", line["dst.identity"]);
            Assert.Null(line["error"]);
        }

        // Each reports as its own peer saw it: what the client sent is what the server's side received.
        Assert.Equal(("11", "22"), (outbound["bytes_sent"], outbound["bytes_recv"]));
        Assert.Equal(("22", "11"), (inbound["bytes_sent"], inbound["bytes_recv"]));
        CountedOnce(await cluster.MetricsOfAsync("client"), "source", "mutual_tls");
        CountedOnce(await cluster.MetricsOfAsync("server"), "destination", "mutual_tls");
    }

    private static void CountedOnce(MetricsText metrics, string reporter, string security)
    {
        double Sum(string name) => metrics.Sum(name, ("reporter", reporter), ("connection_security_policy", security));
        Assert.Equal((1, 1, 11, 22), (
            Sum("istio_tcp_connections_opened_total"), Sum("istio_tcp_connections_closed_total"),
            Sum("istio_tcp_received_bytes_total"), Sum("istio_tcp_sent_bytes_total")));
    }
}
