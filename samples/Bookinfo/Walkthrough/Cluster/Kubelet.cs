using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>
/// Runs what the mesh says should run, as the kubelets of a cluster do: a process for every pod of Bookinfo and for
/// every Gateway, started when it appears in the manifests and stopped when it goes. Two ztunnels, as a DaemonSet would.
/// </summary>
internal sealed class Kubelet(
    IMeshSnapshotProvider mesh, IClusterNetwork network, HostBinaries binaries, string manifests, string runFolder, RunLock remembered, int listenerPortOffset)
    : IAsyncDisposable
{
    private static readonly string[] s_services = ["productpage", "details", "reviews", "ratings"];

    private readonly ConcurrentDictionary<string, ChildProcess> _apps = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Host> _hosts = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _changing = new(1);
    private bool _stopped;

    /// <summary>Every ztunnel, waypoint and gateway that runs, by name.</summary>
    public IEnumerable<Host> Hosts => _hosts.Values.OrderBy(host => host.Name, StringComparer.Ordinal);

    /// <summary>A host by name.</summary>
    public Host this[string name] => _hosts[name];

    /// <summary>Whether a host runs.</summary>
    public bool Runs(string name) => _hosts.ContainsKey(name);

    /// <summary>Starts a node's ztunnel.</summary>
    public Host StartZtunnel(string node) => StartHost($"ztunnel-{node}", node, binaries.Ztunnel, new(network.ZtunnelSettings(node))
    {
        ["NODE_NAME"] = node,
        // Connections are logged when they open, too: a gateway keeps its own for long.
        ["RUST_LOG"] = "info,access=debug",
    });

    /// <summary>Makes what runs equal to what the newest snapshot has. Returns what changed, for the log.</summary>
    /// <exception cref="InvalidOperationException">A pod's address is in use by something else.</exception>
    public async Task<IReadOnlyList<string>> ReconcileAsync(CancellationToken cancellation)
    {
        await _changing.WaitAsync(cancellation);
        try
        {
            if (_stopped)
            {
                return [];
            }

            var changes = new List<string>();
            var snapshot = mesh.Current;
            await network.UpdateAsync(snapshot, cancellation);
            var wanted = new HashSet<string>(StringComparer.Ordinal);
            foreach (var pod in snapshot.Workloads.Values.OrderBy(pod => pod.Name, StringComparer.Ordinal))
            {
                if (s_services.Contains(pod.CanonicalName))
                {
                    wanted.Add(pod.Uid);
                    StartApp(pod, changes);
                }
            }

            foreach (var gateway in snapshot.Requests.Gateways.Values)
            {
                var podName = PodOf(gateway);
                if (snapshot.Workloads.Values.Any(pod => pod.Namespace == gateway.Namespace && pod.Name == podName))
                {
                    wanted.Add(podName);
                    StartGateway(gateway, podName, changes);
                }
            }

            await StopUnwantedAsync(wanted, changes);
            return changes;
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Ends a pod's process as a crash would; the mesh is not told. <see cref="ReconcileAsync"/> starts it again.</summary>
    public async Task KillAppAsync(string pod)
    {
        await _changing.WaitAsync();
        try
        {
            foreach (var (uid, app) in _apps.Where(app => app.Value.Name == pod).ToList())
            {
                _apps.TryRemove(uid, out _);
                await app.DisposeAsync();
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Waits until every Bookinfo service answers on its own address.</summary>
    /// <exception cref="InvalidOperationException">One ended, or does not answer in time.</exception>
    public async Task WaitForAppsAsync(TimeSpan limit, CancellationToken cancellation)
    {
        var deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        foreach (var (uid, app) in _apps)
        {
            var address = mesh.Current.Workloads[uid].Addresses[0];
            while (!await AcceptsAsync(new IPEndPoint(address, 9080), cancellation))
            {
                if (app.HasExited || Environment.TickCount64 > deadline)
                {
                    throw new InvalidOperationException(
                        $"{app.Name} does not listen on {address}:9080 ({app.DescribeExit()}): {app.LastLine()}   log: {app.LogFile}");
                }

                await Task.Delay(25, cancellation);
            }
        }
    }

    /// <summary>Starts hosts and services again that ended by themselves. Returns what was done.</summary>
    public async Task<IReadOnlyList<string>> RestartEndedAsync(CancellationToken cancellation)
    {
        await _changing.WaitAsync(cancellation);
        try
        {
            var changes = new List<string>();
            foreach (var host in _stopped ? [] : _hosts.Values.Where(host => host.Process.HasExited).ToList())
            {
                var ending = host.Process.DescribeExit();
                await host.RestartAsync();
                remembered.Remember(host.Process.Id);
                changes.Add($"{host.Name} had ended ({ending}) and was started again, pid {host.Process.Id}");
            }

            foreach (var (uid, app) in _stopped ? [] : _apps.Where(app => app.Value.HasExited).ToList())
            {
                changes.Add($"{app.Name} had ended ({app.DescribeExit()}) and is started again");
                _apps.TryRemove(uid, out _);
                await app.DisposeAsync();
            }

            return changes;
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>A client of a place's network: an operator at a node, a process in a pod. Addresses only, no names.</summary>
    public HttpClient HttpFrom(string place) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = async (to, cancellation) => new NetworkStream(
            await network.ConnectFromAsync(place, new IPEndPoint(IPAddress.Parse(to.DnsEndPoint.Host), to.DnsEndPoint.Port), cancellation), ownsSocket: true),
    })
    {
        Timeout = TimeSpan.FromSeconds(5),
    };

    /// <summary>Whether a pod accepts connections.</summary>
    public async Task<bool> AcceptsAsync(IPEndPoint pod, CancellationToken cancellation)
    {
        try
        {
            using var socket = await network.ProbeAsync(pod, cancellation);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Name of the pod that a Gateway becomes on a single machine.</summary>
    public static string PodOf(Gateway gateway) =>
        gateway.ClassName == "istio-waypoint" ? $"{gateway.Name}-0" : $"{gateway.Name}-{gateway.ClassName}-0";

    private void StartApp(Workload pod, List<string> changes)
    {
        if (_apps.ContainsKey(pod.Uid))
        {
            return;
        }

        var address = pod.Addresses[0];
        if (!network.IsFree(pod.Name, address, 9080))
        {
            throw new InvalidOperationException(
                $"{address}:9080 is in use, and the pod {pod.Name} needs it. Find who: ss -ltnp 'src {address}'. Another mesh on this machine, or a leftover of one?");
        }

        var app = Run(pod.Name, pod.Name, "dotnet", [binaries.Bookinfo, pod.CanonicalName],
        [
            .. network.PodSettings,
            new("POD_NAME", pod.Name),
            new("POD_IP", address.ToString()),
            new("SERVICE_VERSION", pod.CanonicalRevision),
            new("ASPNETCORE_ENVIRONMENT", "Production"),
            new("DOTNET_gcServer", "0"),
        ]);
        remembered.Remember(app.Id);
        _apps[pod.Uid] = app;
        changes.Add($"{pod.Name} started on {address}, {pod.Node}, pid {app.Id}");
    }

    private void StartGateway(Gateway gateway, string podName, List<string> changes)
    {
        if (_hosts.ContainsKey(podName))
        {
            return;
        }

        var host = StartHost(podName, podName, binaries.Waypoint, new()
        {
            ["GATEWAY_NAME"] = gateway.Name,
            ["POD_NAMESPACE"] = gateway.Namespace,
            ["AMBIENT_LISTENER_PORT_OFFSET"] = $"{listenerPortOffset}",
        });
        changes.Add($"{podName} started, class {gateway.ClassName}, pid {host.Process.Id}");
    }

    private async Task StopUnwantedAsync(HashSet<string> wanted, List<string> changes)
    {
        foreach (var uid in _apps.Keys.Where(uid => !wanted.Contains(uid)).ToList())
        {
            if (_apps.TryRemove(uid, out var app))
            {
                await app.DisposeAsync();
                changes.Add($"{app.Name} stopped");
            }
        }

        foreach (var name in _hosts.Keys.Where(name => !wanted.Contains(name) && !name.StartsWith("ztunnel-", StringComparison.Ordinal)).ToList())
        {
            if (_hosts.TryRemove(name, out var host))
            {
                await host.DisposeAsync();
                changes.Add($"{name} stopped");
            }
        }
    }

    private ChildProcess Run(
        string name, string place, string program, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var command = network.CommandAt(place, [program, .. arguments]);
        return ChildProcess.Start(name, runFolder, command[0], command.Skip(1), environment);
    }

    private Host StartHost(string name, string place, string program, Dictionary<string, string> environment)
    {
        var ports = network.NextPorts(place);
        environment["AMBIENT_POD_RANGE"] = $"{network.PodRange}";
        environment["AMBIENT_SERVICE_RANGE"] = $"{network.ServiceRange}";
        environment["AMBIENT_PORT_OFFSET"] = $"{ports.Offset}";
        environment["AMBIENT_MANIFESTS"] = manifests;
        environment["AMBIENT_CA_DIR"] = Path.Combine(runFolder, "authority");
        // Written down so that anyone can start the same host again by hand.
        File.WriteAllText(
            Path.Combine(runFolder, $"{name}.env"),
            string.Concat(environment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"export {pair.Key}='{pair.Value}'\n")) + $"# {program}\n");
        var host = new Host(name, place, () => Run(name, place, program, [], environment), ports, HttpFrom(place));
        remembered.Remember(host.Process.Id);
        _hosts[name] = host;
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await _changing.WaitAsync();
        _stopped = true;
        _changing.Release();
        // Services first, so that what they still send through the mesh ends in an orderly way.
        await Task.WhenAll(_apps.Values.Select(app => app.DisposeAsync().AsTask()));
        await Task.WhenAll(_hosts.Values.Select(host => host.DisposeAsync().AsTask()));
        _changing.Dispose();
    }
}
