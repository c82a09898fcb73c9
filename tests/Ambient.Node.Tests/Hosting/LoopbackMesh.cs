using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Hosting;

/// <summary>
/// One or two real ztunnels in loopback mode over a manifests folder, in this process: real sockets, real TLS. Every mesh has a
/// namespace of its own name, and with it addresses that no other test and no demo has.
/// </summary>
internal sealed class LoopbackMesh : IAsyncDisposable
{
    private readonly List<(ZtunnelHost Ztunnel, Shutdown Shutdown, Task Running)> _nodes = [];
    private readonly List<IAsyncDisposable> _others = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-loopback-").FullName;
    private readonly MemoryStream _log = new();
    private readonly LogWriter _writer;
    private readonly HostLoggerFactory _loggers;

    private LoopbackMesh()
    {
        Namespace = $"t{Guid.NewGuid():N}"[..12];
        Directory.CreateDirectory(ManifestsFolder);
        _writer = new LogWriter(_log);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
    }

    public string Namespace { get; }

    public string ManifestsFolder => Path.Combine(_folder, "mesh");

    public string AuthorityFolder => Path.Combine(_folder, "ca");

    public ZtunnelHost First => _nodes[0].Ztunnel;

    public IEnumerable<ZtunnelHost> Nodes => _nodes.Select(node => node.Ztunnel);

    public HostLoggerFactory Loggers => _loggers;

    /// <summary>Where the nodes that are added get certificates; null: from the folder.</summary>
    public WorkloadApiAddress? WorkloadApi { get; init; }

    /// <summary>A mesh with the workloads <c>client</c>, <c>other</c> (node a) and <c>server</c> (node b, service server:80), enrolled or not.</summary>
    public static async Task<LoopbackMesh> StartAsync(bool enrolled = true, TimeSpan? grace = null, bool twoNodes = true, WorkloadApiAddress? workloadApi = null)
    {
        var mesh = new LoopbackMesh { WorkloadApi = workloadApi };
        mesh.WriteNamespace(enrolled);
        mesh.Write("workloads", Workload("client", "node-a") + Workload("other", "node-a") + Workload("server", "node-b") + """
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: server, namespace: NS}
            spec:
              selector: {app: server}
              ports: [{name: tcp, port: 80, targetPort: 8080}]
            """);
        try
        {
            await mesh.AddNodeAsync(twoNodes ? "node-a" : null, grace);
            if (twoNodes)
            {
                await mesh.AddNodeAsync("node-b", grace);
            }

            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    public static string Workload(string name, string node) => $$$"""
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: {{{name}}}, namespace: NS}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: {{{name}}}, namespace: NS}
        spec:
          selector: {matchLabels: {app: {{{name}}}}}
          template:
            metadata: {labels: {app: {{{name}}}}}
            spec:
              serviceAccountName: {{{name}}}
              nodeSelector: {kubernetes.io/hostname: {{{node}}}}
              containers: [{name: app, image: app}]

        """;

    /// <summary>Writes a manifest in one step; <c>NS</c> stands for the mesh's namespace.</summary>
    public void Write(string name, string yaml)
    {
        var path = Path.Combine(ManifestsFolder, $"{name}.yaml");
        File.WriteAllText(path + ".new", yaml.Replace("NS", Namespace, StringComparison.Ordinal));
        File.Move(path + ".new", path, overwrite: true);
    }

    public void Remove(string name) => File.Delete(Path.Combine(ManifestsFolder, $"{name}.yaml"));

    public void WriteNamespace(bool enrolled, string more = "") => Write("namespace", $$"""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: NS
          labels: {istio.io/dataplane-mode: {{(enrolled ? "ambient" : "none")}}{{more}} }
        """);

    public async Task<ZtunnelHost> AddNodeAsync(string? name, TimeSpan? grace = null)
    {
        // Other tests take ports too: try until three are free.
        for (var tries = 0; ; tries++)
        {
            var shutdown = new Shutdown(grace ?? TimeSpan.FromSeconds(5), TimeProvider.System, NullLogger.Instance);
            try
            {
                var options = new ZtunnelOptions
                {
                    Mode = ZtunnelMode.Loopback,
                    Host = new NodeOptions
                    {
                        Manifests = ManifestsFolder,
                        AuthorityFolder = WorkloadApi is null ? AuthorityFolder : null,
                        WorkloadApi = WorkloadApi,
                        NodeName = name,
                        PortOffset = PortOffsets.Next(),
                        IPv6Enabled = false,
                    },
                };
                var ztunnel = await ZtunnelHost.StartAsync(options, _loggers, shutdown, TimeProvider.System, CancellationToken.None);
                _nodes.Add((ztunnel, shutdown, ztunnel.RunUntilDrainedAsync()));
                return ztunnel;
            }
            catch (IOException) when (tries < 20)
            {
                shutdown.Dispose();
            }
        }
    }

    /// <summary>The address of a workload's pod.</summary>
    public IPAddress AddressOf(string workload) => First.Mesh.Workloads.Values.Single(w => w.Namespace == Namespace && w.Name == $"{workload}-0").Addresses[0];

    public SpiffeId IdentityOf(string workload) => SpiffeId.ForServiceAccount("cluster.local", Namespace, workload);

    /// <summary>An application at a workload's address that sends back every byte.</summary>
    public EchoServer Echo(string workload, int port = 8080)
    {
        var echo = new EchoServer(new IPEndPoint(AddressOf(workload), port));
        _others.Add(echo);
        return echo;
    }

    /// <summary>Calls a destination through a workload's SOCKS5 port.</summary>
    public async Task<Socket> ConnectAsync(string workload, string host, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(AddressOf(workload), 15080)).WaitAsync(Patience);
        var name = Encoding.ASCII.GetBytes(host);
        await socket.SendAsync(new byte[] { 5, 1, 0 });
        Assert.Equal([5, 0], await ReadAsync(socket, 2));
        await socket.SendAsync((byte[])[5, 1, 0, 3, (byte)name.Length, .. name, (byte)(port >> 8), (byte)port]);
        Assert.Equal([5, 0, 0, 1, 0, 0, 0, 0, 0, 0], await ReadAsync(socket, 10));
        return socket;
    }

    /// <summary>Sends a text and reads its echo.</summary>
    public static async Task<string> EchoAsync(Socket socket, string text)
    {
        await socket.SendAsync(Encoding.UTF8.GetBytes(text));
        return Encoding.UTF8.GetString(await ReadAsync(socket, Encoding.UTF8.GetByteCount(text)));
    }

    /// <summary>Whether the connection is closed or reset, without a byte.</summary>
    public static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).WaitAsync(Patience) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    public static async Task<byte[]> ReadAsync(Socket socket, int count)
    {
        var buffer = new byte[count];
        for (var read = 0; read < count;)
        {
            var now = await socket.ReceiveAsync(buffer.AsMemory(read)).AsTask().WaitAsync(Patience);
            Assert.True(now > 0, "the connection ended too early");
            read += now;
        }

        return buffer;
    }

    /// <summary>Waits for a log line that contains all of these texts.</summary>
    public async Task<string> WaitForLogAsync(params string[] texts)
    {
        for (var tries = 0; ; tries++)
        {
            if (Log().FirstOrDefault(line => texts.All(text => line.Contains(text, StringComparison.Ordinal))) is { } found)
            {
                return found;
            }

            Assert.True(tries < 600, $"no line with {string.Join(" and ", texts)} in:\n{string.Join('\n', Log())}");
            await Task.Delay(50);
        }
    }

    public string[] Log()
    {
        _writer.Flush();
        lock (_log)
        {
            return Encoding.UTF8.GetString(_log.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }

    public static async Task Until(Func<bool> condition, string what)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 600, $"never: {what}");
            await Task.Delay(50);
        }
    }

    public Task DrainAsync(int node)
    {
        _nodes[node].Shutdown.Begin("test");
        return _nodes[node].Running;
    }

    public async Task StopAsync(int node)
    {
        var (ztunnel, shutdown, _) = _nodes[node];
        _nodes.RemoveAt(node);
        await ztunnel.DisposeAsync();
        shutdown.Dispose();
    }

    /// <summary>A bare HBONE client with a certificate of this mesh's authority.</summary>
    public async Task<HboneClient> HboneClientAsync(string trustDomain = "cluster.local", string? folder = null)
    {
        var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = folder ?? AuthorityFolder, TrustDomain = trustDomain });
        var svids = new SvidCache(authority);
        var client = new HboneClient(new HboneClientOptions(), svids);
        _others.Add(client);
        _others.Add(svids);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var other in _others)
        {
            await other.DisposeAsync();
        }

        while (_nodes.Count > 0)
        {
            await StopAsync(_nodes.Count - 1);
        }

        _writer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static TimeSpan Patience { get; } = TimeSpan.FromSeconds(30);
}
