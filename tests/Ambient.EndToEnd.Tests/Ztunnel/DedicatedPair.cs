using System.Diagnostics;
using Ambient.Testing;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>
/// The recordings' setting: two ztunnels in dedicated mode, beside sleep and beside productpage-v1, with the recordings' own
/// <c>local.yaml</c>, a web server behind each address, and the redirection of a node.
/// </summary>
internal sealed class DedicatedPair : IAsyncDisposable
{
    private const string Service = """
        import http.server, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"
            def do_GET(self):
                body = b"x" * 1024
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *rest): pass
        server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
        print("listening", flush=True)
        server.serve_forever()
        """;

    private readonly List<Process> _servers = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-e2e-").FullName;

    private DedicatedPair(NodeNetwork network) => Network = network;

    public NodeNetwork Network { get; }

    public ZtunnelProcess Client { get; private set; } = null!;

    public ZtunnelProcess Server { get; private set; } = null!;

    public static async Task<DedicatedPair> StartAsync(string logFormat = "plain", string? localYaml = null, Dictionary<string, string>? more = null)
    {
        Skip.IfNot(File.Exists("/usr/bin/python3") && File.Exists("/usr/bin/curl"), "python3 and curl are not installed");
        var mesh = localYaml ?? await File.ReadAllTextAsync(GoldenFolder.Require("ztunnel", "local.yaml"));
        var pair = new DedicatedPair(await NodeNetwork.CreateAsync());
        try
        {
            await pair.BeginAsync(logFormat, mesh, more ?? []);
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs curl in the client's namespace; returns its exit code and status.</summary>
    public async Task<(int Exit, string Status)> CurlAsync(string url, int timeout = 30)
    {
        var answer = await Command.ShellAsync(
            $"ip netns exec {Network.Client} curl -s -o /dev/null --max-time {timeout} -w '%{{http_code}}' {url}; echo \" $?\"");
        var parts = answer.Trim().Split(' ');
        return (int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture), parts[0]);
    }

    /// <summary>Starts one of the two ztunnels, once more or for the first time.</summary>
    public async Task<ZtunnelProcess> StartZtunnelAsync(string ns, string workload, string logFormat = "plain", Dictionary<string, string>? more = null)
    {
        var environment = new Dictionary<string, string>
        {
            ["PROXY_MODE"] = "dedicated",
            ["PROXY_WORKLOAD_INFO"] = workload,
            ["PACKET_MARK"] = NodeNetwork.Mark,
            ["ENABLE_ORIG_SRC"] = "false",
            ["NODE_NAME"] = "local",
            ["LOCAL_XDS_PATH"] = Path.Combine(_folder, "local.yaml"),
            ["AMBIENT_CA_DIR"] = Path.Combine(_folder, "ca"),
            ["LOG_FORMAT"] = logFormat,
        };
        foreach (var (name, value) in more ?? [])
        {
            environment[name] = value;
        }

        var ztunnel = ZtunnelProcess.Start(ns, environment);
        try
        {
            await ztunnel.ReadyAsync();
            return ztunnel;
        }
        catch
        {
            await ztunnel.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _servers)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        foreach (var ztunnel in (ZtunnelProcess?[])[Client, Server])
        {
            if (ztunnel is not null)
            {
                await ztunnel.DisposeAsync();
            }
        }

        await Network.DisposeAsync();
        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (IOException)
        {
            // Somebody tidied the temporary folder before us.
        }
    }

    private async Task BeginAsync(string logFormat, string mesh, Dictionary<string, string> more)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "local.yaml"), mesh);
        await ServeAsync(NodeNetwork.ServerAddress);
        await ServeAsync(NodeNetwork.UncapturedAddress);
        Server = await StartZtunnelAsync(Network.Server, "default/productpage-v1/bookinfo-productpage", logFormat, more);
        Client = await StartZtunnelAsync(Network.Client, "default/sleep/sleep", logFormat, more);
    }

    private async Task ServeAsync(string address)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", Network.Server, "python3", "-c", Service, address, "8080"]) { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        _servers.Add(process);
        Assert.Equal("listening", await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
    }
}
