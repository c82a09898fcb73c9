using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Certificates that are revoked by a list (<c>CRL_PATH</c>), before a connection and while it is open (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class RevocationTests(RevocationTests.Mesh mesh) : IClassFixture<RevocationTests.Mesh>
{
    private const string Hello = "hello worldhello world";

    [SkippableFact]
    [Trait("Reference", "crl_inbound_rejects_revoked_cert")]
    public async Task RevokedClient_IsRefusedByTheServersZtunnel()
    {
        var cluster = mesh.Require();
        var before = await mesh.RejectionsAsync("server-a", "destination");
        await mesh.RevokeAsync(at: "server-a", "client-a");

        Assert.True(await Exchange.IsRefusedAsync(cluster.ConnectAsync("client-a", Mesh.AddressOf("server-a"), 8080), "hello world"));

        Assert.True(await mesh.RejectionsAsync("server-a", "destination") > before);
        var line = await cluster.AccessAsync("server-a", line =>
            line.Message == "connection failed" && line["src.addr"]?.StartsWith(Mesh.AddressOf("client-a"), StringComparison.Ordinal) == true);
        Assert.Contains("is revoked", line["error"], StringComparison.Ordinal);

        // Nobody else is meant.
        Assert.Equal(Hello, await cluster.CallAsync("client-b", Mesh.AddressOf("server-a")));
    }

    [SkippableFact]
    [Trait("Reference", "crl_outbound_rejects_revoked_cert")]
    public async Task RevokedServer_IsRefusedByTheClientsZtunnel()
    {
        var cluster = mesh.Require();
        var before = await mesh.RejectionsAsync("client-b", "source");
        await mesh.RevokeAsync(at: "client-b", "server-b");

        Assert.True(await Exchange.IsRefusedAsync(cluster.ConnectAsync("client-b", Mesh.AddressOf("server-b"), 8080), "hello world"));

        Assert.True(await mesh.RejectionsAsync("client-b", "source") > before);
        var line = await cluster.AccessAsync("client-b", line =>
            line.Message == "connection complete" && line["dst.addr"]?.StartsWith(Mesh.AddressOf("server-b"), StringComparison.Ordinal) == true);
        Assert.Contains("is revoked", line["error"], StringComparison.Ordinal);
        Assert.Equal(0, cluster.Echoes["server-b"].Accepted);
    }

    [SkippableFact]
    [Trait("Reference", "crl_inbound_terminates_existing_connection_on_revocation")]
    public Task OpenConnection_OfAClientThatIsRevoked_IsClosedByTheServersZtunnel() =>
        OpenConnectionIsClosedAsync("client-c", "server-c", at: "server-c", reporter: "destination", revoked: "client-c");

    [SkippableFact]
    [Trait("Reference", "crl_outbound_terminates_existing_connection_on_revocation")]
    public Task OpenConnection_ToAServerThatIsRevoked_IsClosedByTheClientsZtunnel() =>
        OpenConnectionIsClosedAsync("client-d", "server-d", at: "client-d", reporter: "source", revoked: "server-d");

    private async Task OpenConnectionIsClosedAsync(string client, string server, string at, string reporter, string revoked)
    {
        var cluster = mesh.Require();
        var before = await mesh.RejectionsAsync(at, reporter);
        using var socket = await cluster.ConnectAsync(client, Mesh.AddressOf(server), 8080);
        Assert.Equal(Hello, await Exchange.RunAsync(socket, "hello world", 22));
        var from = Stopwatch.GetTimestamp();

        await mesh.RevokeAsync(at, revoked);

        Assert.True(await Exchange.IsRefusedAsync(socket, ""));
        Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(10), $"closed after {Stopwatch.GetElapsedTime(from)}");
        Assert.Equal(before + 1, await mesh.RejectionsAsync(at, reporter));
        var line = await cluster.AccessAsync(at, line =>
            line.Message == "connection complete" && line["error"] == "connection closed: peer certificate revoked by CRL"
            && line["src.addr"]?.StartsWith(Mesh.AddressOf(client), StringComparison.Ordinal) == true);
        Assert.Equal(reporter == "source" ? "outbound" : "inbound", line["direction"]);
        Assert.Equal(1, (await cluster.MetricsOfAsync(at)).Sum(
            "istio_tcp_connections_closed_total", ("reporter", reporter), ("response_flags", "CERT_REVOKED"), ("source_workload", client)));
    }

    public sealed class Mesh : IAsyncLifetime
    {
        // One pair for each case: what is revoked stays so.
        private static readonly ClusterPod[] s_pods =
        [
            .. "abcd".SelectMany((letter, i) => (ClusterPod[])
            [
                new($"client-{letter}", "node-1", true, "", $"10.84.1.{i + 2}"),
                new($"server-{letter}", "node-2", true, "", $"10.84.2.{i + 2}"),
            ]),
        ];

        private readonly Dictionary<string, List<X509Certificate2>> _revoked = new() { ["node-1"] = [], ["node-2"] = [] };
        private NamespaceCluster? _cluster;

        internal static string AddressOf(string pod) => s_pods.Single(other => other.Name == pod).IPs[0];

        internal NamespaceCluster Require()
        {
            NamespaceCluster.SkipIfImpossible();
            return _cluster!;
        }

        /// <summary>Puts a pod's certificate on the list that the ztunnel of another one reads, and waits until it has.</summary>
        internal async Task RevokeAsync(string at, string pod)
        {
            var revoked = _revoked[NodeOf(at)];
            revoked.Add(await CertificateAsync(pod));
            var staged = ListOf(NodeOf(at)) + ".staged";
            await File.WriteAllTextAsync(staged, Require().Authority.Revoke([.. revoked]));
            File.Move(staged, ListOf(NodeOf(at)), overwrite: true);
            await Require().ZtunnelOf(at).WaitForLineAsync($"{revoked.Count} revoked certificates");
        }

        internal async Task<double> RejectionsAsync(string pod, string reporter) =>
            (await Require().MetricsOfAsync(pod)).Sum("istio_crl_policy_rejections_total", ("reporter", reporter));

        public async Task InitializeAsync()
        {
            if (!NamespaceCluster.CanRun)
            {
                return;
            }

            _cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared);
            await _cluster.WithPodsAsync(s_pods);
            foreach (var node in _revoked.Keys)
            {
                await File.WriteAllTextAsync(ListOf(node), "");
                _cluster.NodeSettings[node] = new() { ["CRL_PATH"] = ListOf(node) };
            }

            await _cluster.WithEcho([.. s_pods.Where(pod => pod.Node == "node-2").Select(pod => pod.Name)]).StartAsync();
        }

        public async Task DisposeAsync()
        {
            if (_cluster is not null)
            {
                await _cluster.DisposeAsync();
            }
        }

        private static string NodeOf(string pod) => s_pods.Single(other => other.Name == pod).Node;

        private string ListOf(string node) => Path.Combine(_cluster!.Folder, $"{node}-crl.pem");

        // Fetched ahead of time, but perhaps not yet.
        private async Task<X509Certificate2> CertificateAsync(string pod)
        {
            var identity = s_pods.Single(other => other.Name == pod).Identity;
            var from = Stopwatch.GetTimestamp();
            while (true)
            {
                using var dump = JsonDocument.Parse(await Require().AdminAsync(pod, "/config_dump"));
                foreach (var entry in dump.RootElement.GetProperty("certificates").EnumerateArray())
                {
                    if (entry.GetProperty("identity").GetString() == identity && entry.GetProperty("state").GetString() == "Available")
                    {
                        return X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(entry.GetProperty("certChain")[0].GetProperty("pem").GetBytesFromBase64()));
                    }
                }

                Assert.True(Stopwatch.GetElapsedTime(from) < Exchange.Patience, $"no certificate of {identity}");
                await Task.Delay(20);
            }
        }
    }
}
