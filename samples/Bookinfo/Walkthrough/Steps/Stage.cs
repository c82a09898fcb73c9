using System.Diagnostics;
using System.Net;
using Ambient.Mesh;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Report;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>What every step works with: the folder, the mesh read from it, the processes, and the clients.</summary>
internal sealed class Stage(
    Narrator tell, ManifestFolder manifests, IMeshSnapshotProvider mesh, IClusterNetwork network, Kubelet kubelet, int listenerPortOffset) : IDisposable
{
    /// <summary>Productpage by its service name.</summary>
    public const string ProductPageUrl = "http://productpage:9080/productpage";

    /// <summary>How long a change may take before a step gives it up: generous, a busy machine is not a failure.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, PodClient> _clients = new(StringComparer.Ordinal);

    /// <summary>The report.</summary>
    public Narrator Tell { get; } = tell;

    /// <summary>The watched folder.</summary>
    public ManifestFolder Manifests { get; } = manifests;

    /// <summary>Where they are.</summary>
    public IClusterNetwork Network { get; } = network;

    /// <summary>The processes.</summary>
    public Kubelet Kubelet { get; } = kubelet;

    /// <summary>
    /// Productpage through the ingress gateway: by its service name, or by its pod's address where its listener could not
    /// have the port that the service sends to.
    /// </summary>
    public string GatewayUrl => listenerPortOffset == 0
        ? "http://bookinfo-gateway-istio/productpage"
        : $"http://{AddressOf("bookinfo-gateway-istio")}:{GatewayPort}/productpage";

    /// <summary>Port that the ingress gateway's listener has on this machine.</summary>
    public int GatewayPort { get; } = 80 + listenerPortOffset;

    /// <summary>The client that policies let in.</summary>
    public PodClient Sleep => Client("sleep");

    /// <summary>The client that policies keep out.</summary>
    public PodClient NotSleep => Client("notsleep");

    /// <summary>The ztunnel of sleep's and notsleep's node.</summary>
    public Host NodeA => Kubelet["ztunnel-node-a"];

    /// <summary>The ztunnel of productpage's node.</summary>
    public Host NodeB => Kubelet["ztunnel-node-b"];

    /// <summary>The waypoint.</summary>
    public Host Waypoint => Kubelet["waypoint-0"];

    /// <summary>The pod of a Deployment or Gateway; they have one each.</summary>
    /// <exception cref="InvalidOperationException">There is none, or it has no address.</exception>
    public Workload Pod(string workloadName) =>
        mesh.Current.Workloads.Values.FirstOrDefault(pod => pod.Name == $"{workloadName}-0" && pod.Addresses.Length > 0)
        ?? throw new InvalidOperationException($"there is no pod {workloadName}-0 in the manifests of {Manifests.Path}");

    /// <summary>Address of a pod.</summary>
    public IPAddress AddressOf(string workloadName) => Pod(workloadName).Addresses[0];

    /// <summary>Copies a manifest into the folder and tells so.</summary>
    public void Apply(string sample, string what, string? name = null)
    {
        Manifests.Apply(sample, name);
        Tell.Apply(name is null || name == sample ? $"{sample}   {what}" : $"{sample} as {name}   {what}");
    }

    /// <summary>Copies a manifest into the folder, edited, and tells so.</summary>
    public void Apply(string sample, string what, Func<string, string> edit)
    {
        Manifests.Apply(sample, edit: edit);
        Tell.Apply($"{sample}   {what}");
    }

    /// <summary>Takes a manifest out of the folder and tells so.</summary>
    public void Remove(string name)
    {
        Manifests.Remove(name);
        Tell.Apply($"{name} removed");
    }

    /// <summary>Waits until the manifests are what the mesh read from them must have, then runs what it says.</summary>
    public async Task SettleAsync(Func<MeshSnapshot, bool> read, CancellationToken cancellation)
    {
        await UntilAsync(() => Task.FromResult(read(mesh.Current)), Patience, cancellation);
        await Kubelet.ReconcileAsync(cancellation);
    }

    /// <summary>Sends one request, telling what was tried and what came back.</summary>
    public async Task<Answer> TryAsync(PodClient client, HttpMethod method, string url, CancellationToken cancellation)
    {
        Tell.Try($"{client.Name}: {method} {url}");
        var answer = await client.SendAsync(method, url, cancellation);
        Tell.Came(answer.Describe());
        return answer;
    }

    /// <summary>
    /// Sends a request again and again until the answer is as wanted, because a change takes a moment to reach every
    /// process; tells how long it took. The last answer is returned either way.
    /// </summary>
    public async Task<Answer> TryUntilAsync(
        PodClient client, HttpMethod method, string url, Func<Answer, bool> wanted, CancellationToken cancellation, double limitSeconds = 30)
    {
        Tell.Try($"{client.Name}: {method} {url}");
        var started = Stopwatch.GetTimestamp();
        Answer answer;
        do
        {
            answer = await client.SendAsync(method, url, cancellation);
            if (wanted(answer))
            {
                break;
            }

            await Task.Delay(20, cancellation);
        }
        while (Stopwatch.GetElapsedTime(started).TotalSeconds < limitSeconds);

        Tell.Came($"{answer.Describe()}, {Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms after the change");
        return answer;
    }

    /// <summary>Waits for a condition. Returns whether it came.</summary>
    public static async Task<bool> UntilAsync(Func<Task<bool>> condition, TimeSpan limit, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(started) > limit)
            {
                return false;
            }

            await Task.Delay(20, cancellation);
        }

        return true;
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private PodClient Client(string name) =>
        _clients.TryGetValue(name, out var client) ? client : _clients[name] = Network.ClientAt(Pod(name));
}
