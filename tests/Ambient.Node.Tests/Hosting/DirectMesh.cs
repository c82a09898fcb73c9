using System.Net;
using System.Net.Http;
using System.Text;
using Ambient.Node.ControlPlane;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Hosting;

/// <summary>
/// The mesh of the reference's direct tests: one process, workloads on loopback addresses (a plain client, one that speaks HBONE,
/// one that does not), a service in front, all from ztunnel's own local configuration.
/// </summary>
internal sealed class DirectMesh : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-direct-").FullName;
    private readonly LogWriter _writer = new(new MemoryStream());
    private readonly List<EchoServer> _echoes = [];
    private readonly byte[] _block = [127, (byte)Random.Shared.Next(20, 250), (byte)Random.Shared.Next(256), 0];

    private readonly string? _trustDomain;

    private readonly string _clientProtocol;

    private DirectMesh(string? trustDomain, string clientProtocol) => (_trustDomain, _clientProtocol) = (trustDomain, clientProtocol);

    public ZtunnelHost Ztunnel { get; private set; } = null!;

    public Shutdown Shutdown { get; private set; } = null!;

    public Task Running { get; private set; } = null!;

    public IPAddress Client => At(2);

    public IPAddress Hbone => At(3);

    public IPAddress Plain => At(4);

    public IPAddress Vip => At(200);

    /// <summary>Starts a mesh.</summary>
    /// <param name="node">Node whose workloads are served; null: all.</param>
    /// <param name="trustDomain">What the workloads name; null: nothing.</param>
    /// <param name="clientProtocol">HBONE for a client in the mesh.</param>
    /// <param name="istiod">Who issues certificates; null: an authority in a folder.</param>
    /// <param name="ownTrustDomain"><c>TRUST_DOMAIN</c>.</param>
    /// <param name="grace">How long open connections may go on after a shutdown has begun; 5 s when null.</param>
    public static async Task<DirectMesh> StartAsync(
        string? node = null, string? trustDomain = "cluster.local", string clientProtocol = "TCP", ControlPlaneServer? istiod = null, string ownTrustDomain = "cluster.local",
        TimeSpan? grace = null)
    {
        var mesh = new DirectMesh(trustDomain, clientProtocol);
        var loggers = new HostLoggerFactory(mesh._writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        for (var tries = 0; ; tries++)
        {
            mesh.Shutdown = new Shutdown(grace ?? TimeSpan.FromSeconds(5), TimeProvider.System, NullLogger.Instance);
            try
            {
                var options = new ZtunnelOptions
                {
                    Mode = ZtunnelMode.Loopback,
                    Host = new NodeOptions
                    {
                        LocalXds = mesh.Configuration(), NodeName = node, TrustDomain = ownTrustDomain,
                        AuthorityFolder = istiod is null ? Path.Combine(mesh._folder, "ca") : null,
                        CertificateAuthority = istiod is null ? null : new ControlPlaneOptions { Name = "CA", Address = istiod.Address, Roots = istiod.RootFile },
                        PortOffset = PortOffsets.Next(), IPv6Enabled = false,
                    },
                };
                mesh.Ztunnel = await ZtunnelHost.StartAsync(options, loggers, mesh.Shutdown, TimeProvider.System, CancellationToken.None);
                mesh.Running = mesh.Ztunnel.RunUntilDrainedAsync();
                break;
            }
            catch (IOException) when (tries < 20)
            {
                mesh.Shutdown.Dispose();
            }
        }

        mesh._echoes.Add(new EchoServer(new IPEndPoint(mesh.Hbone, 8080)));
        mesh._echoes.Add(new EchoServer(new IPEndPoint(mesh.Plain, 8080)));
        return mesh;
    }

    public async Task<string> MetricsAsync()
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri($"http://127.0.0.1:{Ztunnel.StatsEndPoint!.Port}/metrics"));
    }

    /// <summary>Sum of a metric's samples whose labels hold a text.</summary>
    public async Task<long> MetricAsync(string name, string labels) => (await MetricsAsync()).Split('\n')
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) && line.Contains(labels, StringComparison.Ordinal))
        .Sum(line => long.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Waits until a metric's samples come to a value: what is counted as a connection ends is counted a moment after its client saw the end.</summary>
    public async Task WaitForMetricAsync(string name, string labels, long value)
    {
        for (var tries = 0; await MetricAsync(name, labels) != value; tries++)
        {
            Assert.True(tries < 600, $"{name} with {labels} never comes to {value}:\n{await MetricsAsync()}");
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var echo in _echoes)
        {
            await echo.DisposeAsync();
        }

        await Ztunnel.DisposeAsync();
        Shutdown.Dispose();
        _writer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private IPAddress At(byte last) => new([_block[0], _block[1], _block[2], last]);

    private string Configuration()
    {
        var text = new StringBuilder("workloads:\n");
        foreach (var (name, address, protocol) in new[] { ("client", Client, _clientProtocol), ("hbone", Hbone, "HBONE"), ("plain", Plain, "TCP") })
        {
            text.Append($"""
                - uid: cluster1//v1/Pod/default/{name}
                  name: {name}
                  namespace: default
                  serviceAccount: {name}
                  {(_trustDomain is null ? "" : $"trustDomain: {_trustDomain}")}
                  workloadIps: ["{address}"]
                  protocol: {protocol}
                  node: local
                  {(name == "hbone" ? "services: {\"default/local-vip.default.svc.cluster.local\": {80: 8080}}" : "")}

                """);
        }

        text.Append($"""
            services:
            - name: local-vip
              namespace: default
              hostname: local-vip.default.svc.cluster.local
              vips: ["/{Vip}"]
              ports: {"{80: 8080}"}

            """);
        return text.ToString();
    }
}
