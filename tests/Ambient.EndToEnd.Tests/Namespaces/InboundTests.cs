using Ambient.Hbone;
using Ambient.Hbone.Connect;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>What a captured server's 15008 does with what is asked of it, by somebody who speaks HBONE himself (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class InboundTests(InboundTests.Mesh mesh) : IClassFixture<InboundTests.Mesh>
{
    private const string ServerAddress = "10.79.4.2";
    private const string ClientAddress = "10.79.3.2";
    private const string ServerIdentity = "spiffe://cluster.local/ns/default/sa/server";

    [SkippableFact]
    [Trait("Reference", "test_policy")]
    public async Task AllowPolicyForSomebodyElse_Answers401()
    {
        var client = mesh.Client();

        Assert.Equal(401, await client.StatusAsync(ServerAddress, $"{ServerAddress}:9090", ServerIdentity));

        var line = await mesh.Cluster.AccessAsync("server", line => line.Message == "connection complete" && line["dst.hbone_addr"] == $"{ServerAddress}:9090");
        Assert.Contains("allow policies exist, but none allowed", line["error"], StringComparison.Ordinal);
    }

    [SkippableFact]
    [Trait("Reference", "hbone_ip_mismatch")]
    public async Task AuthorityOfAnotherAddress_Answers400_AndBothAreNamed()
    {
        var client = mesh.Client();

        Assert.Equal(400, await client.StatusAsync(ServerAddress, $"{ClientAddress}:8080", ServerIdentity));

        await mesh.Cluster.ZtunnelOf("server").WaitForLineAsync($"ip mismatch: {ServerAddress} != {ClientAddress}");
    }

    [SkippableTheory]
    [Trait("Reference", "test_svc_hostname_port")]
    [Trait("Reference", "test_svc_hostname_named_port")]
    [InlineData("server.default.svc.cluster.local:80")]
    [InlineData("named.default.svc.cluster.local:80")]
    public async Task AuthorityOfAService_IsDeliveredToItsTargetPort(string authority)
    {
        var client = mesh.Client();

        await using var tunnel = await client.ConnectAsync(ServerAddress, authority, ServerIdentity);
        await using var stream = tunnel.AsStream();
        await stream.WriteAsync("hi"u8.ToArray());
        await stream.FlushAsync();
        var answer = new byte[4];
        await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(Exchange.Patience);

        Assert.Equal("hihi"u8.ToArray(), answer);
    }

    [SkippableFact]
    public async Task AuthorityOfAnUnknownService_Answers503()
    {
        var client = mesh.Client();

        Assert.Equal(503, await client.StatusAsync(ServerAddress, "nobody.default.svc.cluster.local:80", ServerIdentity));
    }

    [SkippableFact]
    [Trait("Reference", "trust_domain_mismatch_rejected")]
    public async Task CallerOfAnotherTrustDomain_DoesNotGetThroughTheHandshake()
    {
        mesh.Client();
        var stranger = HbonePeer.Client(mesh.Cluster, "client", "spiffe://clusterset.local/ns/default/sa/client");

        var refused = await Assert.ThrowsAsync<HboneException>(async () => await stranger.ConnectAsync(ServerAddress, $"{ServerAddress}:8080", ServerIdentity));

        Assert.Null(refused.StatusCode);
        var line = await mesh.Cluster.AccessAsync("server", line => line["src.addr"]?.StartsWith(ClientAddress, StringComparison.Ordinal) == true && line.Message == "connection failed");
        Assert.Contains("tls handshake error", line["error"], StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData(15001)]
    [InlineData(15006)]
    [InlineData(15008)]
    public async Task AuthorityOfZtunnelsOwnPorts_Answers503(int port)
    {
        var client = mesh.Client();

        Assert.Equal(503, await client.StatusAsync(ServerAddress, $"{ServerAddress}:{port}", ServerIdentity));
    }

    [SkippableTheory]
    [InlineData(15001)]
    [InlineData(15006)]
    [InlineData(15008)]
    public async Task UncapturedCaller_GetsNothingFromZtunnelsOwnPorts(int port)
    {
        mesh.Client();

        Assert.True(await Exchange.IsRefusedAsync(mesh.Cluster.ConnectAsync("client", ServerAddress, port), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    }

    public sealed class Mesh : IAsyncLifetime
    {
        private HbonePeer? _client;

        internal NamespaceCluster Cluster { get; private set; } = null!;

        /// <summary>The caller; skips where there are no namespaces.</summary>
        internal HbonePeer Client()
        {
            NamespaceCluster.SkipIfImpossible();
            return _client ??= HbonePeer.Client(Cluster, "client", "spiffe://cluster.local/ns/default/sa/client");
        }

        public async Task InitializeAsync()
        {
            if (!NamespaceCluster.CanRun)
            {
                return;
            }

            Cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared);
            await Cluster.WithPodsAsync(
                new ClusterPod("client", "node-1", false, "", ClientAddress),
                new ClusterPod("server", "node-2", true, """
                    services:
                      "default/server.default.svc.cluster.local": {80: 8080}
                      "default/named.default.svc.cluster.local": {80: 8080}
                    """, ServerAddress));
            Cluster.WithService(Service("server", "10.10.1.1", "8080")).WithService(Service("named", "10.10.1.2", "0")).WithPolicy("""
                name: waypoint-only
                namespace: default
                scope: Namespace
                action: Allow
                dryRun: false
                rules:
                - - - principals: [!Exact cluster.local/ns/default/sa/waypoint]
                - - - notDestinationPorts: [9090]
                """);
            await Cluster.WithEcho("server").StartAsync();
        }

        public async Task DisposeAsync()
        {
            if (Cluster is not null)
            {
                await Cluster.DisposeAsync();
            }
        }

        private static string Service(string name, string vip, string target) => $$"""
            name: {{name}}
            namespace: default
            hostname: {{name}}.default.svc.cluster.local
            vips: ["/{{vip}}"]
            ports: {80: {{target}}}
            """;
    }
}
