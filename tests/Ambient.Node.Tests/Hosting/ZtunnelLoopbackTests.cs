using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Node.Connections;

namespace Ambient.Node.Tests.Hosting;

public sealed class ZtunnelLoopbackTests
{
    [Fact]
    public async Task CapturedClient_CallingAService_IsCarriedOverMutualTls()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        var echo = mesh.Echo("server");

        using (var socket = await mesh.ConnectAsync("client", "server", 80))
        {
            Assert.Equal("hello world", await LoopbackMesh.EchoAsync(socket, "hello world"));
        }

        var server = mesh.AddressOf("server");
        var outbound = await mesh.WaitForLogAsync("connection complete", "direction=\"outbound\"");
        Assert.Contains($"src.identity=\"{mesh.IdentityOf("client")}\"", outbound, StringComparison.Ordinal);
        Assert.Contains($"dst.addr={server}:15008 dst.hbone_addr={server}:8080 dst.service=\"server.{mesh.Namespace}.svc.cluster.local\"", outbound, StringComparison.Ordinal);
        Assert.Contains("bytes_sent=11 bytes_recv=11", outbound, StringComparison.Ordinal);
        Assert.DoesNotContain("error", outbound, StringComparison.Ordinal);
        var inbound = await mesh.WaitForLogAsync("connection complete", "direction=\"inbound\"");
        Assert.Contains($"src.addr={mesh.AddressOf("client")}:", inbound, StringComparison.Ordinal);
        Assert.Contains($"src.identity=\"{mesh.IdentityOf("client")}\"", inbound, StringComparison.Ordinal);

        // The application sees the client's own address.
        Assert.Equal([mesh.AddressOf("client")], echo.Clients);

        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri($"http://127.0.0.1:{mesh.First.StatsEndPoint!.Port}/metrics"));
        Assert.Contains("istio_tcp_connections_opened_total{reporter=\"source\",source_workload=\"client\"", metrics, StringComparison.Ordinal);
        Assert.Contains("connection_security_policy=\"mutual_tls\"", metrics, StringComparison.Ordinal);
        Assert.EndsWith("# EOF\n", metrics, StringComparison.Ordinal);
        Assert.Equal("ready\n", await http.GetStringAsync(new Uri($"http://127.0.0.1:{mesh.First.ReadinessEndPoint!.Port}/healthz/ready")));
    }

    [Fact]
    [Trait("Reference", "test_policy")]
    public async Task Policy_ThatAllowsOneIdentity_KeepsTheOtherOutAndIsNamed()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        mesh.Echo("server");
        WriteViewerPolicy(mesh, "client");
        await LoopbackMesh.Until(() => mesh.First.Mesh.Policies.Count == 1, "the policy is known");

        using (var allowed = await mesh.ConnectAsync("client", "server", 80))
        {
            Assert.Equal("in", await LoopbackMesh.EchoAsync(allowed, "in"));
        }

        using var denied = await mesh.ConnectAsync("other", "server", 80);

        Assert.True(await LoopbackMesh.EndsAsync(denied));
        var inbound = await mesh.WaitForLogAsync("direction=\"inbound\"", "policy rejection");
        Assert.Contains("allow policies exist, but none allowed", inbound, StringComparison.Ordinal);
        Assert.Contains($"{mesh.Namespace}/viewer", inbound, StringComparison.Ordinal);
        await mesh.WaitForLogAsync("direction=\"outbound\"", "http status: 401 Unauthorized");
    }

    [Fact]
    public async Task OpenConnection_WhenAPolicyNoLongerAllowsIt_IsClosedAtOnce()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        mesh.Echo("server");
        using var allowed = await mesh.ConnectAsync("client", "server", 80);
        using var revoked = await mesh.ConnectAsync("other", "server", 80);
        Assert.Equal("a", await LoopbackMesh.EchoAsync(allowed, "a"));
        Assert.Equal("b", await LoopbackMesh.EchoAsync(revoked, "b"));

        WriteViewerPolicy(mesh, "client");

        Assert.True(await LoopbackMesh.EndsAsync(revoked));
        await mesh.WaitForLogAsync("direction=\"inbound\"", $"src.identity=\"{mesh.IdentityOf("other")}\"", "connection closed due to policy change");
        Assert.Equal("still", await LoopbackMesh.EchoAsync(allowed, "still"));
    }

    [Fact]
    public async Task Waypoint_ThatIsDown_IsNamedAndNeverBypassed()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        var echo = mesh.Echo("server");
        mesh.Write("waypoint", """
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: waypoint, namespace: NS, labels: {istio.io/waypoint-for: service}}
            spec:
              gatewayClassName: istio-waypoint
              listeners: [{name: mesh, port: 15008, protocol: HBONE}]
            """);
        mesh.WriteNamespace(enrolled: true, ", istio.io/use-waypoint: waypoint");
        await LoopbackMesh.Until(() => mesh.First.Mesh.Services.Values.Any(service => service.Name == "server" && service.Waypoint is not null), "the service has its waypoint");

        using var socket = await mesh.ConnectAsync("client", "server", 80);

        Assert.True(await LoopbackMesh.EndsAsync(socket));
        var line = await mesh.WaitForLogAsync("direction=\"outbound\"", "error=");
        Assert.Contains($"waypoint {mesh.Namespace}/waypoint-0 ({mesh.AddressOf("waypoint")}:15008)", line, StringComparison.Ordinal);
        Assert.Contains("Connection refused (os error 111)", line, StringComparison.Ordinal);
        Assert.Empty(echo.Clients);
    }

    [Fact]
    public async Task UnenrolledClient_IsCarriedInPlaintext_UntilPolicyWantsAnIdentity()
    {
        await using var mesh = await LoopbackMesh.StartAsync(enrolled: false);
        mesh.Write("server-in", "");
        var echo = mesh.Echo("server");
        using (var plain = await mesh.ConnectAsync("client", "server", 80))
        {
            Assert.Equal("plain", await LoopbackMesh.EchoAsync(plain, "plain"));
        }

        var line = await mesh.WaitForLogAsync("connection complete", "direction=\"outbound\"");
        Assert.DoesNotContain("identity", line, StringComparison.Ordinal);
        Assert.Equal([mesh.AddressOf("client")], echo.Clients);

        // The server joins, and takes mutual TLS only.
        mesh.Write("workloads", LoopbackMesh.Workload("client", "node-a")
            + LoopbackMesh.Workload("server", "node-b").Replace("{app: server}}\n    spec", "{app: server, istio.io/dataplane-mode: ambient}}\n    spec", StringComparison.Ordinal) + """
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: server, namespace: NS}
            spec:
              selector: {app: server}
              ports: [{name: tcp, port: 80, targetPort: 8080}]
            ---
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: strict, namespace: NS}
            spec: {mtls: {mode: STRICT}}
            """);
        await LoopbackMesh.Until(
            () => mesh.First.Mesh.Workloads.Values.Any(workload => workload is { Name: "server-0", Protocol: Ambient.Mesh.TunnelProtocol.Hbone } && workload.AuthorizationPolicies.Length > 0),
            "the server is in the mesh and strict");

        using var refused = await mesh.ConnectAsync("client", "server", 80);

        Assert.True(await LoopbackMesh.EndsAsync(refused));
        await mesh.WaitForLogAsync("direction=\"inbound\"", "policy rejection", "istio_converted_static_strict");
        Assert.Single(echo.Clients);
    }

    [Fact]
    public async Task ServiceEntryThatPassesThrough_OverAWorkloadsAddress_IsNoWayAroundItsPolicy()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        var echo = mesh.Echo("server");
        WriteViewerPolicy(mesh, "client");
        mesh.Write("entry", $$"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: around, namespace: NS}
            spec:
              hosts: [around.example]
              addresses: ["{{mesh.AddressOf("server")}}"]
              ports: [{number: 8080, name: tcp, protocol: TCP}]
              resolution: NONE
            """);
        await LoopbackMesh.Until(
            () => mesh.First.Mesh.Policies.Count == 1 && mesh.First.Mesh.FindServiceByHostname("around.example", mesh.Namespace) is not null,
            "policy and entry are known");

        using var denied = await mesh.ConnectAsync("other", "around.example", 8080);

        Assert.True(await LoopbackMesh.EndsAsync(denied));
        Assert.Empty(echo.Clients);
        await mesh.WaitForLogAsync("direction=\"inbound\"", "policy rejection", $"{mesh.Namespace}/viewer");
    }

    [Fact]
    public async Task Workload_ThatGoesAndComesBack_TakesItsListenersWithIt()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        mesh.Echo("server");
        var address = mesh.AddressOf("server");
        using var socket = await mesh.ConnectAsync("client", "server", 80);
        Assert.Equal("x", await LoopbackMesh.EchoAsync(socket, "x"));

        mesh.Write("workloads", LoopbackMesh.Workload("client", "node-a"));

        await mesh.WaitForLogAsync($"{mesh.Namespace}/server-0 at {address} is gone");
        Assert.True(await LoopbackMesh.EndsAsync(socket));
        using (var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await Assert.ThrowsAsync<SocketException>(() => probe.ConnectAsync(new IPEndPoint(address, 15008)));
        }

        mesh.Write("workloads", LoopbackMesh.Workload("client", "node-a") + LoopbackMesh.Workload("server", "node-b"));
        await LoopbackMesh.Until(() => mesh.Log().Count(line => line.Contains("server-0 is here", StringComparison.Ordinal)) == 2, "the server is back");
        using var again = await mesh.ConnectAsync("client", $"{address}", 8080);
        Assert.Equal("y", await LoopbackMesh.EchoAsync(again, "y"));
    }

    [Fact]
    public async Task Ztunnel_ThatIsStartedAgain_CarriesTrafficAgain()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        mesh.Echo("server");
        using (var before = await mesh.ConnectAsync("client", "server", 80))
        {
            Assert.Equal("1", await LoopbackMesh.EchoAsync(before, "1"));
        }

        await mesh.StopAsync(1);
        using (var without = await mesh.ConnectAsync("client", "server", 80))
        {
            Assert.True(await LoopbackMesh.EndsAsync(without));
        }

        await mesh.AddNodeAsync("node-b");
        using var after = await mesh.ConnectAsync("client", "server", 80);
        Assert.Equal("2", await LoopbackMesh.EchoAsync(after, "2"));
    }

    [Fact]
    [Trait("Reference", "test_shutdown_drain")]
    public async Task Drain_LetsOpenConnectionsEnd_AndAcceptsNoNewOnes()
    {
        await using var mesh = await LoopbackMesh.StartAsync(grace: TimeSpan.FromMinutes(1), twoNodes: false);
        mesh.Echo("server");
        var address = mesh.AddressOf("client");
        var socket = await mesh.ConnectAsync("client", "server", 80);
        Assert.Equal("before", await LoopbackMesh.EchoAsync(socket, "before"));

        var drained = mesh.DrainAsync(0);

        await LoopbackMesh.Until(() => !Listens(address), "the listener is closed");
        Assert.Equal("during", await LoopbackMesh.EchoAsync(socket, "during"));
        Assert.False(drained.IsCompleted);
        socket.Dispose();
        await drained.WaitAsync(TimeSpan.FromSeconds(30));
        var line = await mesh.WaitForLogAsync("direction=\"outbound\"");
        Assert.DoesNotContain("drain", line, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "test_shutdown_forced_drain")]
    public async Task Drain_PastItsDeadline_EndsWhatIsOpen()
    {
        await using var mesh = await LoopbackMesh.StartAsync(grace: TimeSpan.FromMilliseconds(200), twoNodes: false);
        mesh.Echo("server");
        using var socket = await mesh.ConnectAsync("client", "server", 80);
        Assert.Equal("before", await LoopbackMesh.EchoAsync(socket, "before"));

        await mesh.DrainAsync(0).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.True(await LoopbackMesh.EndsAsync(socket));
        await mesh.WaitForLogAsync("direction=\"outbound\"", "connection closed due to connection drain");
    }

    [Fact]
    [Trait("Reference", "hbone_ip_mismatch")]
    public async Task Connect_ForAnotherAddress_IsRefusedWith400()
    {
        await using var mesh = await LoopbackMesh.StartAsync();
        var client = await mesh.HboneClientAsync();
        var server = mesh.AddressOf("server");

        var e = await Assert.ThrowsAsync<HboneException>(async () => await client.ConnectAsync(RequestFor(mesh, $"{mesh.AddressOf("client")}:8080")));

        Assert.Equal(400, e.StatusCode);
        await mesh.WaitForLogAsync("connection failed", "direction=\"inbound\"", $"ip mismatch: {server} != {mesh.AddressOf("client")}");
    }

    [Theory]
    [InlineData(ReservedPorts.Hbone)]
    [InlineData(ReservedPorts.Outbound)]
    [InlineData(ReservedPorts.InboundPlaintext)]
    [InlineData(ReservedPorts.Socks5)]
    public async Task Connect_ToAPortOfOurs_IsRefusedWith503(int port)
    {
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: false);
        var client = await mesh.HboneClientAsync();

        var e = await Assert.ThrowsAsync<HboneException>(async () => await client.ConnectAsync(RequestFor(mesh, $"{mesh.AddressOf("server")}:{port}")));

        Assert.Equal(503, e.StatusCode);
        await mesh.WaitForLogAsync("connection failed", "attempted recursive call to ourselves");
    }

    [Fact]
    public async Task Peer_OfAnotherAuthority_IsRefusedInTheHandshakeAndLogged()
    {
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: false);
        var foreign = Directory.CreateTempSubdirectory("ambient-foreign-");
        var client = await mesh.HboneClientAsync(folder: foreign.FullName);

        await Assert.ThrowsAsync<HboneException>(async () => await client.ConnectAsync(RequestFor(mesh, $"{mesh.AddressOf("server")}:8080")));

        var line = await mesh.WaitForLogAsync("connection failed", "direction=\"inbound\"");
        Assert.Contains("tls handshake error", line, StringComparison.Ordinal);
        foreign.Delete(recursive: true);
    }

    [Fact]
    public async Task Address_ThatIsTaken_IsLoggedAndBoundWhenItIsFree()
    {
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: false);
        mesh.Write("more", LoopbackMesh.Workload("late", "node-a").Replace("labels: {app: late}}", "labels: {app: late}, annotations: {ambient.dev/address: 127.93.7.9}}", StringComparison.Ordinal));
        using (var squatter = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            squatter.Bind(new IPEndPoint(IPAddress.Parse("127.93.7.9"), 15080));
            squatter.Listen();
            await mesh.WaitForLogAsync($"socks5 of {mesh.Namespace}/late-0: cannot listen on 127.93.7.9:15080");
        }

        await mesh.WaitForLogAsync($"{mesh.Namespace}/late-0: bound after all");
    }

    private static HboneConnectRequest RequestFor(LoopbackMesh mesh, string authority) => new()
    {
        NextHop = new IPEndPoint(mesh.AddressOf("server"), 15008),
        Authority = authority,
        Source = mesh.IdentityOf("client"),
        AcceptedIdentities = [mesh.IdentityOf("server")],
    };

    private static void WriteViewerPolicy(LoopbackMesh mesh, string allowed) => mesh.Write("policy", $$$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: viewer, namespace: NS}
        spec:
          selector: {matchLabels: {app: server}}
          action: ALLOW
          rules: [{from: [{source: {principals: [cluster.local/ns/NS/sa/{{{allowed}}}] } }] }]
        """);

    private static bool Listens(IPAddress address)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Connect(new IPEndPoint(address, 15080));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
