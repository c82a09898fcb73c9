using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Ambient.Testing.Certificates;

namespace Ambient.Attack;

/// <summary>A ztunnel process in loopback mode, with three workloads: one that serves, one that a policy locks, and a neighbour.</summary>
internal class TargetHost : IAsyncDisposable
{
    public const string Server = "127.91.0.2";
    public const string Locked = "127.91.0.3";
    public const string Neighbour = "127.91.0.1";
    public const string Attacker = "127.91.0.66";
    public const int HbonePort = 15008;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _folder;
    private readonly ConcurrentQueue<string> _lines = new();

    protected TargetHost(Process process, string folder, TestAuthority authority)
    {
        _process = process;
        _folder = folder;
        Authority = authority;
    }

    public TestAuthority Authority { get; }

    /// <summary>Where a waypoint or gateway listens; null for a ztunnel.</summary>
    public System.Net.IPEndPoint? Target { get; protected set; }

    /// <summary>Where the root of the mesh is, for whoever issues under it.</summary>
    public string AuthorityFolder => AuthorityIn(_folder);

    /// <summary>Resident memory at present, in MB.</summary>
    public double Resident => Status("VmRSS:") / 1024.0;

    /// <summary>Processor time used so far.</summary>
    public TimeSpan Used
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static async Task<TargetHost> StartAsync(AttackOptions options)
    {
        var folder = Directory.CreateTempSubdirectory("ambient-attack-").FullName;
        var authority = new TestAuthority();
        var ca = AuthorityIn(folder);
        authority.SaveRoot(ca);
        await File.WriteAllTextAsync(Path.Combine(folder, "mesh.yaml"), Mesh);
        string[] command = options.Pin ? ["taskset", "-c", "0", options.Host, "proxy", "ztunnel"] : [options.Host, "proxy", "ztunnel"];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["PROXY_MODE"] = "loopback";
        start.Environment["NODE_NAME"] = "local";
        start.Environment["LOCAL_XDS_PATH"] = Path.Combine(folder, "mesh.yaml");
        start.Environment["AMBIENT_CA_DIR"] = ca;
        var host = new TargetHost(Process.Start(start)!, folder, authority);
        await host.StartedAsync("started after");
        return host;
    }

    /// <summary>Waits until the host says something; it ends where the host does not. What of the line follows.</summary>
    protected async Task<string> StartedAsync(string text)
    {
        var host = this;
        host._process.ErrorDataReceived += (_, line) => host.Keep(line.Data);
        host._process.OutputDataReceived += (_, line) => host.Keep(line.Data);
        host._process.BeginErrorReadLine();
        host._process.BeginOutputReadLine();
        try
        {
            var from = Stopwatch.GetTimestamp();
            while (true)
            {
                if (host._lines.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } found)
                {
                    return found[(found.IndexOf(text, StringComparison.Ordinal) + text.Length)..];
                }

                if (host._process.HasExited || Stopwatch.GetElapsedTime(from) > s_patience)
                {
                    throw new InvalidOperationException($"the host did not start:\n{string.Join('\n', host._lines)}");
                }

                await Task.Delay(50);
            }
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    protected static string AuthorityIn(string folder) => Path.Combine(folder, "ca");

    private static string Workload(string name, string address, string more = "") => $"""
        - uid: Kubernetes//Pod/default/{name}
          name: {name}
          namespace: default
          trustDomain: cluster.local
          serviceAccount: {name}
          workloadIps: ["{address}"]
          protocol: HBONE
          node: local
          network: ""
          services: {"{}"}
        {more}
        """;

    private static string Mesh => $"""
        workloads:
        {Workload("neighbour", Neighbour)}
        {Workload("server", Server)}
        {Workload("locked", Locked, "  authorizationPolicies: [\"default/deny-all\"]")}
        policies:
        - name: deny-all
          namespace: default
          scope: WorkloadSelector
          action: Allow
          dryRun: false
          rules: []
        """;

    private void Keep(string? line)
    {
        // Enough to say why it did not start.
        if (line is not null && _lines.Count < 1000)
        {
            _lines.Enqueue(line);
        }
    }

    private long Status(string name)
    {
        foreach (var line in File.ReadLines($"/proc/{_process.Id}/status"))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                return long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
            }
        }

        throw new InvalidOperationException($"/proc/{_process.Id}/status has no {name}");
    }
}
