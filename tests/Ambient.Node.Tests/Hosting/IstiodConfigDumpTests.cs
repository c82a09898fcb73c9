using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text.Json;
using Ambient.Hbone;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Workloads;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Hosting;

/// <summary>
/// What istioctl reads of a whole ztunnel beside istiod, in the form of the original: it tells the mesh over xDS and signs certificates, both
/// over TLS. (The form of each field is from what <c>istioctl ztunnel-config</c> takes, istio/istioctl/pkg/writer/ztunnel/configdump.)
/// </summary>
#pragma warning disable CA1001 // xunit calls DisposeAsync of IAsyncLifetime.
public sealed class IstiodConfigDumpTests : IAsyncLifetime
#pragma warning restore CA1001
{
    private readonly byte[] _block = [127, (byte)Random.Shared.Next(20, 250), (byte)Random.Shared.Next(256), 0];
    private readonly LogWriter _writer = new(new MemoryStream());
    private readonly Shutdown _shutdown = new(TimeSpan.FromSeconds(5), TimeProvider.System, NullLogger.Instance);
    private ControlPlaneServer _istiod = null!;
    private EchoServer _echo = null!;
    private ZtunnelHost _ztunnel = null!;

    public async Task InitializeAsync()
    {
        _istiod = await ControlPlaneServer.StartAsync();
        _istiod.Certificates.Answer = new CertificateSigner(new TestAuthority()).Answer;
        _istiod.Discovery.Initial = request => request.TypeUrl == "type.googleapis.com/istio.workload.Address"
            ? XdsKit.Response(request.TypeUrl, Pod("client", 2), Pod("server", 3, "server"), ServiceOf("server", 200))
            : DiscoveryScript.Empty(request.TypeUrl);
        _echo = new EchoServer(new IPEndPoint(At(3), 8080));
        var loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        for (var tries = 0; _ztunnel is null; tries++)
        {
            try
            {
                var options = new ZtunnelOptions
                {
                    Mode = ZtunnelMode.Loopback,
                    Host = new NodeOptions
                    {
                        NodeName = "node-a",
                        PortOffset = PortOffsets.Next(),
                        IPv6Enabled = false,
                        Xds = new XdsOptions { Server = Server("xDS"), NodeName = "node-a" },
                        CertificateAuthority = Server("CA"),
                    },
                };
                _ztunnel = await ZtunnelHost.StartAsync(options, loggers, _shutdown, TimeProvider.System, CancellationToken.None);
            }
            catch (IOException) when (tries < 20)
            {
                // Somebody took one of the ports.
            }
        }
    }

    [Fact]
    public async Task Workloads_NameTheirServices_AndAllOfTheirLocality()
    {
        using var dump = JsonDocument.Parse(await DumpAsync());
        var workloads = dump.RootElement.GetProperty("workloads").EnumerateArray().ToDictionary(static workload => workload.GetProperty("name").GetString()!);

        Assert.Equal("""["ns/server.ns.svc.cluster.local"]""", JsonSerializer.Serialize(workloads["server"].GetProperty("services")));
        Assert.Equal("""{"region":"r","subzone":"","zone":"z"}""", JsonSerializer.Serialize(workloads["server"].GetProperty("locality")));

        // What is empty as a whole is left out, as the original leaves it out.
        Assert.False(workloads["client"].TryGetProperty("services", out _));
        Assert.False(workloads["client"].TryGetProperty("locality", out _));
    }

    [Fact]
    public async Task Addresses_EndWithoutASlash_AndTheTextIsIndentedByTwo()
    {
        var text = await DumpAsync();
        using var dump = JsonDocument.Parse(text);
        var config = dump.RootElement.GetProperty("config");

        Assert.Equal($"https://{_istiod.Address.Authority}", config.GetProperty("xdsAddress").GetString());
        Assert.Equal($"https://{_istiod.Address.Authority}", config.GetProperty("caAddress").GetString());
        Assert.StartsWith("{\n  \"certificates\": [", text, StringComparison.Ordinal);
        Assert.Contains("\n  \"workloads\": [\n    {\n      \"capacity\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\t', text);
    }

    [Fact]
    public async Task Version_SaysWhoDoesTls()
    {
        using var dump = JsonDocument.Parse(await DumpAsync());

        Assert.Equal(HboneTls.Description, dump.RootElement.GetProperty("version").GetProperty("cryptoProvider").GetString());
    }

    [Fact]
    public async Task WorkloadState_OfLoopbackMode_HasTheOpenConnections()
    {
        using var socket = await ConnectAsync(At(200), 80);
        Assert.Equal("hello", await LoopbackMesh.EchoAsync(socket, "hello"));

        using var dump = JsonDocument.Parse(await DumpAsync());
        var states = dump.RootElement.GetProperty("workloadState");
        Assert.Equal(["Kubernetes//Pod/ns/client", "Kubernetes//Pod/ns/server"], states.EnumerateObject().Select(static state => state.Name).Order());
        var client = states.GetProperty("Kubernetes//Pod/ns/client");
        Assert.Equal("""{"name":"client","namespace":"ns","serviceAccount":"client"}""", JsonSerializer.Serialize(client.GetProperty("info")));
        Assert.Equal("Up", client.GetProperty("state").GetString());
        var outbound = Assert.Single(client.GetProperty("connections").GetProperty("outbound").EnumerateArray());
        Assert.Equal("HBONE", outbound.GetProperty("protocol").GetString());
        Assert.Equal($"{At(3)}:15008", outbound.GetProperty("actualDst").GetString());
        Assert.StartsWith($"{At(2)}:", outbound.GetProperty("src").GetString(), StringComparison.Ordinal);
        var inbound = Assert.Single(states.GetProperty("Kubernetes//Pod/ns/server").GetProperty("connections").GetProperty("inbound").EnumerateArray());
        Assert.Equal("HBONE", inbound.GetProperty("protocol").GetString());
        Assert.Equal($"{At(3)}:8080", inbound.GetProperty("actualDst").GetString());
    }

    public async Task DisposeAsync()
    {
        await _ztunnel.DisposeAsync();
        await _echo.DisposeAsync();
        await _istiod.DisposeAsync();
        _shutdown.Dispose();
        _writer.Dispose();
    }

    private IPAddress At(byte last) => new([_block[0], _block[1], _block[2], last]);

    private ControlPlaneOptions Server(string name) => new() { Name = name, Address = _istiod.Address, Roots = _istiod.RootFile };

    private Protos.Discovery.Resource Pod(string name, byte last, string? service = null) => XdsKit.Workload(name, At(last).ToString(), pod =>
    {
        (pod.ServiceAccount, pod.Node, pod.TunnelProtocol) = (name, "node-a", TunnelProtocol.Hbone);
        if (service is not null)
        {
            pod.Services[$"ns/{service}.ns.svc.cluster.local"] = new PortList { Ports = { new Port { ServicePort = 80, TargetPort = 8080 } } };
            pod.Locality = new Locality { Region = "r", Zone = "z" };
        }
    });

    private Protos.Discovery.Resource ServiceOf(string name, byte vip) => XdsKit.Service(name, service =>
    {
        service.Addresses.Add(new NetworkAddress { Address = ByteString.CopyFrom(At(vip).GetAddressBytes()) });
        service.Ports.Add(new Port { ServicePort = 80, TargetPort = 8080 });
    });

    private async Task<string> DumpAsync()
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri($"http://127.0.0.1:{_ztunnel.AdminEndPoint!.Port}/config_dump"));
    }

    private async Task<Socket> ConnectAsync(IPAddress address, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        for (var tries = 0; !socket.Connected; tries++)
        {
            try
            {
                await socket.ConnectAsync(new IPEndPoint(At(2), 15080));
            }
            catch (SocketException) when (tries < 600)
            {
                await Task.Delay(50);
            }
        }

        await socket.SendAsync(new byte[] { 5, 1, 0 });
        Assert.Equal([5, 0], await LoopbackMesh.ReadAsync(socket, 2));
        await socket.SendAsync((byte[])[5, 1, 0, 1, .. address.GetAddressBytes(), (byte)(port >> 8), (byte)port]);
        Assert.Equal(0, (await LoopbackMesh.ReadAsync(socket, 10))[1]);
        return socket;
    }
}
