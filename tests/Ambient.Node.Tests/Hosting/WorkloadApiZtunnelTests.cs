using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Numerics;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Two whole ztunnels whose certificates come from a SPIFFE Workload API, over real mutual TLS.</summary>
public sealed class WorkloadApiZtunnelTests : IAsyncLifetime, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-spire-");
    private readonly TestAuthority _signer = new();
    private WorkloadApiServer _agent = null!;
    private LoopbackMesh _mesh = null!;

    private string Socket => Path.Combine(_folder.FullName, "agent.sock");

    public async Task InitializeAsync()
    {
        _agent = await WorkloadApiServer.StartAsync(Socket, answer: null);
        Assert.True(WorkloadApiAddress.TryParse(_agent.Address, out var address, out _));
        _mesh = await LoopbackMesh.StartAsync(workloadApi: address);
    }

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        await _agent.DisposeAsync();
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Traffic_IsCarriedWithSvidsOfTheApi_WhichTheConfigDumpShows()
    {
        // Ready is only who knows whether there are certificates.
        Assert.Equal((HttpStatusCode.InternalServerError, true), await ReadinessAsync());
        var intermediate = _signer.Intermediate();
        var client = intermediate.Issue(_mesh.IdentityOf("client"));
        var server = intermediate.Issue(_mesh.IdentityOf("server"), new TestCertificate { Rsa = true });
        await PushAsync(client, server);
        await LoopbackMesh.Until(() => _mesh.Nodes.All(node => node.IsReady), "ready");
        Assert.Equal((HttpStatusCode.OK, false), await ReadinessAsync());

        _mesh.Echo("server");
        using (var socket = await ConnectAsync("client"))
        {
            Assert.Equal("hello", await LoopbackMesh.EchoAsync(socket, "hello"));
        }

        await _mesh.WaitForLogAsync("connection complete", "direction=\"inbound\"", $"src.identity=\"{client.Id}\"", $"dst.identity=\"{server.Id}\"");
        Assert.Equal(server.Leaf.SerialNumber, await PresentedByServerAsync(client));

        var text = await DumpAsync(_mesh.First);
        Assert.DoesNotContain("PRIVATE", text, StringComparison.OrdinalIgnoreCase);
        using var dump = JsonDocument.Parse(text);
        var entry = dump.RootElement.GetProperty("certificates").EnumerateArray().Single(entry => entry.GetProperty("identity").GetString() == client.Id.ToString());
        Assert.Equal("Available", entry.GetProperty("state").GetString());
        Assert.Equal([Decimal(client.Leaf), Decimal(intermediate.Certificate)], Serials(entry, "certChain"));
        Assert.Equal([Decimal(_signer.Certificate)], Serials(entry, "rootCerts"));
        Assert.Equal(client.NotAfter.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture), entry.GetProperty("certChain")[0].GetProperty("expirationTime").GetString());
    }

    [Fact]
    public async Task Renewal_TakesEffectOnNewConnections_AndOpenOnesGoOn()
    {
        await PushAllAsync(_signer);
        _mesh.Echo("server");
        using var open = await ConnectAsync("client");
        Assert.Equal("before", await LoopbackMesh.EchoAsync(open, "before"));

        // Another root, and no trust in the old one: whoever still presents or expects the old SVIDs gets no connection.
        var successor = new TestAuthority();
        var renewed = await PushAllAsync(successor);

        using var fresh = await ConnectAsync("other");
        Assert.Equal("after", await LoopbackMesh.EchoAsync(fresh, "after"));
        Assert.Equal(renewed["server"].Leaf.SerialNumber, await PresentedByServerAsync(renewed["client"]));
        Assert.Equal("still", await LoopbackMesh.EchoAsync(open, "still"));
        Assert.Contains(Decimal(renewed["other"].Leaf), await DumpAsync(_mesh.First), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AgentThatIsGone_StopsNothing()
    {
        await PushAllAsync(_signer);
        _mesh.Echo("server");
        using (var socket = await ConnectAsync("client"))
        {
            Assert.Equal("with", await LoopbackMesh.EchoAsync(socket, "with"));
        }

        await _agent.DisposeAsync();
        await _mesh.WaitForLogAsync("the SPIFFE Workload API at", "What it gave last stays in use");

        using var fresh = await ConnectAsync("other");
        Assert.Equal("without", await LoopbackMesh.EchoAsync(fresh, "without"));
        Assert.True(_mesh.First.IsReady);

        // Back, on the same socket, with new ones.
        _agent = await WorkloadApiServer.StartAsync(Socket, answer: null);
        await PushAllAsync(_signer);
    }

    [Fact]
    public async Task IdentityThatIsNotRegistered_FailsItsConnectionsAlone_AndTheLogSaysWhatToDo()
    {
        await PushAsync(_signer.Issue(_mesh.IdentityOf("client")), _signer.Issue(_mesh.IdentityOf("server")));
        _mesh.Echo("server");
        using var good = await ConnectAsync("client");
        Assert.Equal("good", await LoopbackMesh.EchoAsync(good, "good"));

        using var bad = await ConnectAsync("other");

        Assert.True(await LoopbackMesh.EndsAsync(bad));
        await _mesh.WaitForLogAsync("connection complete", "direction=\"outbound\"", $"no certificate for {_mesh.IdentityOf("other")}", "does not give this identity");
        await _mesh.WaitForLogAsync($"no certificate for {_mesh.IdentityOf("other")}", "an entry with this SPIFFE ID");
    }

    private async Task<Dictionary<string, X509Svid>> PushAllAsync(TestAuthority authority)
    {
        var svids = new[] { "client", "other", "server" }.ToDictionary(name => name, name => authority.Issue(_mesh.IdentityOf(name)));
        await PushAsync([.. svids.Values]);
        return svids;
    }

    /// <summary>Gives SVIDs, and waits until the nodes of their workloads use them: each node has a stream of its own.</summary>
    private async Task PushAsync(params X509Svid[] svids)
    {
        _agent.Push(svids);
        for (var tries = 0; ; tries++)
        {
            var dumps = string.Concat(await Task.WhenAll(_mesh.Nodes.Select(DumpAsync)));
            if (svids.All(svid => dumps.Contains(Decimal(svid.Leaf), StringComparison.Ordinal)))
            {
                return;
            }

            Assert.True(tries < 600, "the SVIDs are never used");
            await Task.Delay(50);
        }
    }

    private Task<Socket> ConnectAsync(string workload) => _mesh.ConnectAsync(workload, "server", 80);

    private async Task<string> PresentedByServerAsync(X509Svid caller)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(_mesh.AddressOf("server"), 15008));
        await using var tls = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "",
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            ClientCertificateContext = caller.TlsContext,
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        });
        return ((X509Certificate2)tls.RemoteCertificate!).SerialNumber;
    }

    private async Task<(HttpStatusCode Status, bool Waits)> ReadinessAsync()
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{_mesh.First.ReadinessEndPoint!.Port}/healthz/ready"));
        return (answer.StatusCode, (await answer.Content.ReadAsStringAsync()).Contains("workload api", StringComparison.Ordinal));
    }

    private static async Task<string> DumpAsync(ZtunnelHost ztunnel)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri($"http://127.0.0.1:{ztunnel.AdminEndPoint!.Port}/config_dump"));
    }

    private static List<string?> Serials(JsonElement entry, string name) =>
        [.. entry.GetProperty(name).EnumerateArray().Select(certificate => certificate.GetProperty("serialNumber").GetString())];

    private static string Decimal(X509Certificate2 certificate) =>
        new BigInteger(certificate.SerialNumberBytes.Span, isUnsigned: true, isBigEndian: true).ToString(CultureInfo.InvariantCulture);
}
