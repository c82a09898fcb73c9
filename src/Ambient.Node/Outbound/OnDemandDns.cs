using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Diagnostics.Metrics;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Outbound;

/// <summary>
/// Addresses of workloads that are known by a DNS name only (reference/ztunnel.md 3.6), by ztunnel's own resolver in its own network. Kept for
/// half a minute, a failure for two seconds; the number of names is bounded.
/// </summary>
internal sealed class OnDemandDns
{
    private const int MostNames = 4096;
    private static readonly TimeSpan s_known = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_unknown = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Answer> _answers = new(StringComparer.OrdinalIgnoreCase);
    private readonly CounterFamily _asked;
    private readonly AddressFamily _family;
    private readonly TimeProvider _time;

    /// <summary>Creates the resolver.</summary>
    public OnDemandDns(MetricRegistry registry, bool ipv6, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _asked = registry.Add(new CounterFamily("istio_on_demand_dns", "The total number of requests that used on-demand DNS (unstable)."));
        _family = ipv6 ? AddressFamily.Unspecified : AddressFamily.InterNetwork;
        _time = time;
    }

    /// <summary>The route, with an address of the name that it waits for; still an error when the name has none.</summary>
    public async ValueTask<ConnectionRoute> CompleteAsync(ConnectionRoute route, Workload source, IPEndPoint destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(route);
        if (route.HostToResolve is not { } name)
        {
            return route;
        }

        _asked.Series(LabelsOf(source, name)).Increment();
        return DestinationResolver.Complete(route, destination, await ResolveAsync(name, cancellationToken).ConfigureAwait(false), Random.Shared);
    }

    private async ValueTask<IPAddress[]> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        if (_answers.TryGetValue(name, out var kept) && _time.GetElapsedTime(kept.Since) < (kept.Addresses.Length > 0 ? s_known : s_unknown))
        {
            return kept.Addresses;
        }

        IPAddress[] addresses;
        try
        {
            addresses = await Dns.GetHostAddressesAsync(name, _family, cancellationToken).WaitAsync(s_patience, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or TimeoutException or ArgumentException)
        {
            addresses = [];
        }

        if (_answers.Count >= MostNames)
        {
            _answers.Clear();
        }

        _answers[name] = new Answer(addresses, _time.GetTimestamp());
        return addresses;
    }

    private static MetricLabels LabelsOf(Workload source, string name) => MetricLabels.Of(
        ("source_workload", Or(source.WorkloadName)),
        ("source_canonical_service", Or(source.CanonicalName)),
        ("source_canonical_revision", Or(source.CanonicalRevision)),
        ("source_workload_namespace", Or(source.Namespace)),
        ("source_principal", source.Identity.ToString()),
        ("source_app", Or(source.CanonicalName)),
        ("source_version", Or(source.CanonicalRevision)),
        ("source_cluster", Or(source.ClusterId)),
        ("hostname", name));

    private static string Or(string text) => text.Length == 0 ? "unknown" : text;

    private sealed record Answer(IPAddress[] Addresses, long Since);
}
