using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Cluster;

/// <summary>
/// A ztunnel, waypoint or gateway of a <see cref="LocalCluster"/> as a process of its own: the native binary where there is one, so that what it
/// takes is what it takes in earnest, else the managed one that was built with the tests.
/// </summary>
internal sealed class HostProcess : IAsyncDisposable
{
    /// <summary>Where these hosts place pods that no manifest gives an address: no other test does.</summary>
    private const string PodRange = "127.41.0.0/16";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private double _peak;

    private HostProcess(string name, Process process)
    {
        Name = name;
        _process = process;
    }

    public string Name { get; }

    /// <summary>Whether there are native binaries: <c>./build.sh hosts</c> makes them.</summary>
    public static bool IsNative { get; } = File.Exists(Native("ztunnel")) && File.Exists(Native("waypoint"));

    /// <summary>Everything it has logged so far.</summary>
    public string Log => string.Join('\n', _lines);

    /// <summary>Resident memory at present, in MB.</summary>
    public double Resident
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return long.Parse(line["VmRSS:".Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024.0;
        }
    }

    /// <summary>The most that was resident at a look since the last call, in MB.</summary>
    public double TakePeak()
    {
        var peak = Math.Max(_peak, Resident);
        _peak = 0;
        return peak;
    }

    /// <summary>Looks at its memory.</summary>
    public void Look() => _peak = Math.Max(_peak, Resident);

    /// <summary>Starts the ztunnel of a node.</summary>
    public static Task<HostProcess> StartZtunnelAsync(LocalCluster cluster, string node) =>
        StartAsync(cluster, "ztunnel", node, new() { ["PROXY_MODE"] = "loopback", ["NODE_NAME"] = node });

    /// <summary>Starts the waypoint or gateway of a Gateway.</summary>
    public static Task<HostProcess> StartGatewayAsync(LocalCluster cluster, string gateway) =>
        StartAsync(cluster, "waypoint", gateway, new() { ["GATEWAY_NAME"] = gateway, ["POD_NAMESPACE"] = "app" });

    /// <summary>What of a line follows a text, once a line has it.</summary>
    public async Task<string> SaidAsync(string text)
    {
        var from = Stopwatch.GetTimestamp();
        while (true)
        {
            if (_lines.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } line)
            {
                return line[(line.IndexOf(text, StringComparison.Ordinal) + text.Length)..];
            }

            Assert.False(_process.HasExited || Stopwatch.GetElapsedTime(from) > s_patience, $"{Name} did not say \"{text}\":\n{Log}");
            await Task.Delay(20);
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
    }

    private static string Native(string binary) => Path.Combine(Repository.Root, "artifacts", "hosts", binary);

    private static async Task<HostProcess> StartAsync(LocalCluster cluster, string binary, string name, Dictionary<string, string> environment)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var project = binary == "ztunnel" ? "Ztunnel" : "Waypoint";
        var path = IsNative ? Native(binary) : Path.Combine(Repository.Root, "artifacts", "bin", project, configuration, binary);
        Assert.True(File.Exists(path), $"{path} is missing: build samples/{project}");
        var start = new ProcessStartInfo(path, binary == "ztunnel" ? ["proxy", "ztunnel"] : []) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (variable, value) in environment)
        {
            start.Environment[variable] = value;
        }

        start.Environment["AMBIENT_MANIFESTS"] = cluster.Manifests;
        start.Environment["AMBIENT_CA_DIR"] = cluster.AuthorityFolder;
        start.Environment["AMBIENT_POD_RANGE"] = PodRange;
        start.Environment["AMBIENT_PORT_OFFSET"] = PortOffsets.Next().ToString(CultureInfo.InvariantCulture);
        var host = new HostProcess(name, Process.Start(start)!);
        host._process.ErrorDataReceived += (_, line) => host.Keep(line.Data);
        host._process.OutputDataReceived += (_, line) => host.Keep(line.Data);
        host._process.BeginErrorReadLine();
        host._process.BeginOutputReadLine();
        try
        {
            await host.SaidAsync("started after");
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _lines.Enqueue(line);
        }
    }
}
