using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;

namespace Ambient.Node.Tests.Hosting;

/// <summary>The cases of the original's <c>tests/direct.rs</c>: one ztunnel in this process, driven through SOCKS5.</summary>
public sealed class DirectTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static async Task<Socket> ConnectAsync(DirectMesh mesh, string host, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(mesh.Client, 15080)).WaitAsync(s_patience);
        byte[] target = IPAddress.TryParse(host, out var address)
            ? [1, .. address.GetAddressBytes()]
            : [3, (byte)host.Length, .. Encoding.ASCII.GetBytes(host)];
        await socket.SendAsync(new byte[] { 5, 1, 0 });
        Assert.Equal([5, 0], await LoopbackMesh.ReadAsync(socket, 2));
        await socket.SendAsync((byte[])[5, 1, 0, .. target, (byte)(port >> 8), (byte)port]);
        Assert.Equal(0, (await LoopbackMesh.ReadAsync(socket, 10))[1]);
        return socket;
    }

    [Theory]
    [Trait("Reference", "test_hbone_request")]
    [Trait("Reference", "test_tcp_request")]
    [Trait("Reference", "test_vip_request")]
    [Trait("Reference", "test_hbone_request_local")]
    [Trait("Reference", "test_tcp_request_local")]
    [Trait("Reference", "test_vip_request_local")]
    [Trait("Reference", "test_hostname_request_local")]
    [InlineData(null)]
    [InlineData("local")]
    public async Task Requests_ByTunnelPlainServiceAndName_AreCarried(string? node)
    {
        await using var mesh = await DirectMesh.StartAsync(node);

        foreach (var (host, port) in new[] { (mesh.Hbone.ToString(), 8080), (mesh.Plain.ToString(), 8080), (mesh.Vip.ToString(), 80), ("local-vip.default.svc.cluster.local", 80) })
        {
            using var socket = await ConnectAsync(mesh, host, port);
            Assert.Equal("hello world", await LoopbackMesh.EchoAsync(socket, "hello world"));
        }

        var metrics = await mesh.MetricsAsync();
        Assert.True(Value("process_open_fds") > 0 && Value("process_max_fds") > 0);

        long Value(string name) => long.Parse(
            metrics.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>What a workload of a local file is of, when the file does not say.</summary>
    [Theory]
    [InlineData("cluster.local")]
    [InlineData("corp.example")]
    public async Task WorkloadsWithoutATrustDomain_BesideAnIstioAuthority_AreOfTheNodes(string own)
    {
        await using var istiod = await ControlPlaneServer.StartAsync();
        var signer = new CertificateSigner(new TestAuthority(own));
        istiod.Certificates.Answer = signer.Answer;
        await using var mesh = await DirectMesh.StartAsync(trustDomain: null, clientProtocol: "HBONE", istiod: istiod, ownTrustDomain: own);

        using (var socket = await ConnectAsync(mesh, mesh.Vip.ToString(), 80))
        {
            Assert.Equal("hello world", await LoopbackMesh.EchoAsync(socket, "hello world"));
        }

        // Both ends were asked for by their whole names, and showed them.
        var (client, server) = ($"spiffe://{own}/ns/default/sa/client", $"spiffe://{own}/ns/default/sa/hbone");
        Assert.Subset(signer.Signed.Select(static id => id.ToString()).ToHashSet(), new HashSet<string> { client, server });
        await mesh.WaitForMetricAsync("istio_tcp_connections_closed_total", $"source_principal=\"{client}\"", 2);
        await mesh.WaitForMetricAsync("istio_tcp_connections_closed_total", $"destination_principal=\"{server}\"", 2);
    }

    [Fact]
    [Trait("Reference", "test_tcp_connections_metrics")]
    [Trait("Reference", "test_tcp_bytes_metrics")]
    public async Task Metrics_CountTheConnectionAndItsBytes()
    {
        await using var mesh = await DirectMesh.StartAsync();
        var socket = await ConnectAsync(mesh, mesh.Plain.ToString(), 8080);
        Assert.Equal("hello world", await LoopbackMesh.EchoAsync(socket, "hello world"));

        Assert.Equal((1, 0), (await mesh.MetricAsync("istio_tcp_connections_opened_total", "source"), await mesh.MetricAsync("istio_tcp_connections_closed_total", "source")));
        socket.Dispose();
        await mesh.WaitForMetricAsync("istio_tcp_connections_closed_total", "reporter=\"source\"", 1);

        Assert.Equal(11, await mesh.MetricAsync("istio_tcp_received_bytes_total", "reporter=\"source\""));
        Assert.Equal(11, await mesh.MetricAsync("istio_tcp_sent_bytes_total", "reporter=\"source\""));
    }

    [Fact]
    [Trait("Reference", "test_stats_exist")]
    public async Task Metrics_HaveTheBuild_AndSayWhichAreUnstable()
    {
        await using var mesh = await DirectMesh.StartAsync();
        using (var socket = await ConnectAsync(mesh, mesh.Plain.ToString(), 8080))
        {
            await LoopbackMesh.EchoAsync(socket, "x");
        }

        // A family without a sample is not printed, and a connection is counted as closed a moment after its client closed it.
        await mesh.WaitForMetricAsync("istio_tcp_connections_closed_total", "reporter=\"source\"", 1);
        var metrics = await mesh.MetricsAsync();
        Assert.Contains("istio_build{component=\"ztunnel\"", metrics, StringComparison.Ordinal);
        var stable = metrics.Split('\n').Where(line => line.StartsWith("# HELP istio_tcp_", StringComparison.Ordinal) && !line.Contains("(unstable)", StringComparison.Ordinal));
        Assert.Equal(
            ["istio_tcp_connections_closed", "istio_tcp_connections_opened", "istio_tcp_received_bytes", "istio_tcp_sent_bytes"],
            stable.Select(line => line.Split(' ')[2]).Order());
    }

    [Fact]
    [Trait("Reference", "test_shutdown_lifecycle")]
    public async Task Shutdown_WithNothingOpen_EndsAtOnce()
    {
        // At once is long before the grace period is over, on a slow machine too.
        await using var mesh = await DirectMesh.StartAsync(grace: TimeSpan.FromMinutes(5));

        mesh.Shutdown.Begin("test");

        await mesh.Running.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    [Trait("Reference", "test_quit_lifecycle")]
    public async Task QuitQuitQuit_EndsIt()
    {
        await using var mesh = await DirectMesh.StartAsync(grace: TimeSpan.FromMinutes(5));
        using var http = new HttpClient();

        var answer = await http.PostAsync(new Uri($"http://127.0.0.1:{mesh.Ztunnel.AdminEndPoint!.Port}/quitquitquit"), null);

        Assert.Equal("shutdown now\n", await answer.Content.ReadAsStringAsync());
        await mesh.Running.WaitAsync(TimeSpan.FromSeconds(60));
    }
}
