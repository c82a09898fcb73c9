using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Outbound;

/// <summary>Addresses of workloads that are known by a DNS name only (ztunnel <c>state.rs</c>), by ztunnel's own resolver in its own network.</summary>
internal sealed class OnDemandDns
{
    private readonly CounterFamily _asked;
    private readonly NameResolver _names;

    /// <summary>Creates the resolver.</summary>
    /// <param name="registry">Where uses are counted.</param>
    /// <param name="ipv6">Whether IPv6 addresses are of any use.</param>
    /// <param name="time">Clock.</param>
    /// <param name="resolve">Asks for a name's addresses; null: the machine's resolver does.</param>
    public OnDemandDns(MetricRegistry registry, bool ipv6, TimeProvider time, Func<string, AddressFamily, Task<IPAddress[]>>? resolve = null)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _asked = registry.Add(new CounterFamily("istio_on_demand_dns", "The total number of requests that used on-demand DNS (unstable)."));
        _names = new NameResolver(ipv6, time, resolve);
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
        return DestinationResolver.Complete(route, destination, await _names.ResolveAsync(name, cancellationToken).ConfigureAwait(false) ?? [], Random.Shared);
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
}
