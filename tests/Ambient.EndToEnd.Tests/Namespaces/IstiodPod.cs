using System.Collections.Concurrent;
using System.Diagnostics;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>
/// The waypoint host in a pod as istiod makes it: its arguments, variables, files, user, and a root file system that is read-only, in mount and network
/// namespaces of its own. The native binary where there is one.
/// </summary>
internal sealed class IstiodPod : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly NamespaceCluster _cluster;
    private readonly ClusterPod _pod;
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();

    private IstiodPod(NamespaceCluster cluster, ClusterPod pod, Process process) => (_cluster, _pod, _process) = (cluster, pod, process);

    public string Log => string.Join('\n', _lines);

    /// <summary>Starts it.</summary>
    /// <param name="cluster">Where the pod is.</param>
    /// <param name="pod">The pod.</param>
    /// <param name="kind"><c>waypoint</c> or <c>router</c>.</param>
    /// <param name="ns">Namespace of the pod.</param>
    /// <param name="gateway">Name of its Gateway, service account and Deployment.</param>
    /// <param name="istiod">Address of <c>istiod.istio-system.svc</c>.</param>
    /// <param name="root">istiod's root certificate.</param>
    /// <param name="address">What the pod is told to be its address; null: it is told the truth.</param>
    public static IstiodPod Start(NamespaceCluster cluster, ClusterPod pod, string kind, string ns, string gateway, string istiod, string root, string? address = null)
    {
        var files = Directory.CreateDirectory(Path.Combine(cluster.Folder, $"{pod.Name}-files")).FullName;
        Write("etc/hosts", $"127.0.0.1 localhost\n{istiod} istiod.istio-system.svc\n");
        Write("etc/passwd", "istio-proxy:x:1337:1337::/:/sbin/nologin\n");
        Write("etc/istio/pod/labels", $"""
            gateway.istio.io/managed="istio.io-mesh-controller"
            gateway.networking.k8s.io/gateway-class-name="istio-waypoint"
            gateway.networking.k8s.io/gateway-name="{gateway}"
            pod-template-hash="5dcf96d69c"
            service.istio.io/canonical-name="{gateway}"
            """);
        Write("etc/istio/pod/annotations", "istio.io/rev=\"default\"\nprometheus.io/port=\"15020\"\n");
        Write("var/run/secrets/tokens/istio-token", "token-of-the-pod");
        Write("var/run/secrets/istio/root-cert.pem", File.ReadAllText(root));

        var native = Path.Combine(Repository.Root, "artifacts", "hosts");
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var app = File.Exists(Path.Combine(native, "waypoint")) ? native : Path.Combine(Repository.Root, "artifacts", "bin", "Waypoint", configuration);
        Assert.True(File.Exists(Path.Combine(app, "waypoint")), $"{app}/waypoint is missing: build samples/Waypoint");

        string[] environment =
        [
            $"POD_NAME={pod.Name}", $"POD_NAMESPACE={ns}", $"SERVICE_ACCOUNT={gateway}", $"INSTANCE_IP={address ?? pod.IPs[0]}", "HOST_IP=10.77.0.1", "CA_ADDR=istiod.istio-system.svc:15012",
            "PILOT_CERT_PROVIDER=istiod", "JWT_POLICY=third-party-jwt", "PROXY_CONFIG={}\n", "TRUST_DOMAIN=cluster.local", "ISTIO_CPU_LIMIT=2", "GOMEMLIMIT=1073741824", "GOMAXPROCS=2",
            "ISTIO_META_CLUSTER_ID=Kubernetes", "ISTIO_META_NODE_NAME=node-1", "ISTIO_META_INTERCEPTION_MODE=REDIRECT", $"ISTIO_META_WORKLOAD_NAME={gateway}", "ISTIO_META_MESH_ID=cluster.local",
            $"ISTIO_META_OWNER=kubernetes://apis/apps/v1/namespaces/{ns}/deployments/{gateway}",

            // What the kubelet gives every container, and what a program that was not compiled ahead needs.
            "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443", "DOTNET_ROOT=/dotnet", "DOTNET_EnableDiagnostics=0",
        ];
        string[] command =
        [
            "ip", "netns", "exec", cluster.Network.NameOf(pod.Name), "unshare", "--mount", "bash", Path.Combine(AppContext.BaseDirectory, "Namespaces", "pod.sh"),
            Directory.CreateDirectory(Path.Combine(cluster.Folder, $"{pod.Name}-root")).FullName, files, app, "/usr/share/dotnet",
            "/usr/bin/env", "-i", .. environment,
            "/app/waypoint", "proxy", kind, "--domain", $"{ns}.svc.cluster.local", "--serviceCluster", $"{gateway}.{ns}", "--proxyLogLevel", "warning", "--proxyComponentLogLevel", "misc:error",
            "--log_output_level", "default:info",
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        var host = new IstiodPod(cluster, pod, Process.Start(start)!);
        host._process.ErrorDataReceived += (_, line) => host.Keep(line.Data);
        host._process.OutputDataReceived += (_, line) => host.Keep(line.Data);
        host._process.BeginErrorReadLine();
        host._process.BeginOutputReadLine();
        return cluster.Own(host);

        void Write(string name, string text)
        {
            var path = Path.Combine(files, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
    }

    /// <summary>A line of what the kernel says of the process.</summary>
    public string Status(string name) => File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..].Trim();

    /// <summary>Whether the process can make a file in a folder of its own file system; root can, so only what the mounts say is asked.</summary>
    public bool IsWritable(string folder) => File.ReadLines($"/proc/{_process.Id}/mounts").Select(line => line.Split(' ')).Last(mount => mount[1] == folder)[3].Split(',').Contains("rw");

    /// <summary>Asks one of its ports, from the pod itself or from another.</summary>
    public async Task<(int Status, string Body)> AskAsync(int port, string path, string? from = null, HttpMethod? method = null)
    {
        using var client = _cluster.HttpFrom(from ?? _pod.Name);
        var host = from is null ? "127.0.0.1" : _pod.IPs[0];
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri($"http://{host}:{port}{path}"));
        using var answer = await client.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Waits until a port answers a path with a status.</summary>
    public async Task<string> AnswersAsync(int port, string path, int status)
    {
        var from = Stopwatch.GetTimestamp();
        while (true)
        {
            var seen = "no answer";
            try
            {
                var (code, body) = await AskAsync(port, path);
                if (code == status)
                {
                    return body;
                }

                seen = $"{code} {body}";
            }
            catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException)
            {
                seen = e.Message;
            }

            Assert.False(_process.HasExited || Stopwatch.GetElapsedTime(from) > s_patience, $"{port}{path}: {seen}\n{Log}");
            await Task.Delay(50);
        }
    }

    /// <summary>Waits until it has ended by itself.</summary>
    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(s_patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _lines.Enqueue(line);
        }
    }
}
