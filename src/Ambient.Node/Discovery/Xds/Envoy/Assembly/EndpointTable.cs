using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>
/// Endpoints of all clusters by their addresses, and the workloads that they are. A cluster's endpoints say who backs a service and how it is reached;
/// the workload of that address says who it is. Used by one thread at a time.
/// </summary>
/// <param name="self">Address of the proxy itself: a tunnel that leads there would bring its requests back.</param>
internal sealed class EndpointTable(IPAddress self)
{
    private readonly Dictionary<string, Workload> _told = new(StringComparer.Ordinal);
    private readonly Dictionary<IPAddress, List<string>> _uids = [];
    private readonly Dictionary<IPAddress, List<(string Assignment, EnvoyEndpoint Endpoint)>> _endpoints = [];
    private readonly Dictionary<IPAddress, List<string>> _made = [];
    private readonly HashSet<IPAddress> _changed = [];

    /// <summary>Addresses whose workloads must be made again, and none after this.</summary>
    public IPAddress[] TakeChanged()
    {
        IPAddress[] changed = [.. _changed];
        _changed.Clear();
        return changed;
    }

    /// <summary>Everything must be made again.</summary>
    public void ChangeAll()
    {
        _changed.UnionWith(_uids.Keys);
        _changed.UnionWith(_endpoints.Keys);
    }

    /// <summary>The addresses of endpoints must be made again.</summary>
    public void Change(EnvoyAssignment? assignment)
    {
        foreach (var endpoint in assignment?.Endpoints ?? [])
        {
            _changed.Add(endpoint.Address);
        }
    }

    /// <summary>The workloads that are said to back services must be made again.</summary>
    public void Change(HashSet<string> services)
    {
        foreach (var workload in services.Count == 0 ? [] : _told.Values.Where(workload => workload.Services.Keys.Any(services.Contains)))
        {
            _changed.UnionWith(workload.Addresses);
        }
    }

    /// <summary>The addresses of ranges must be made again.</summary>
    public void Change(IEnumerable<IPNetwork> ranges)
    {
        foreach (var range in ranges)
        {
            if (AddressRanges.IsSingle(range))
            {
                _changed.Add(range.BaseAddress);
            }
            else
            {
                _changed.UnionWith(_uids.Keys.Concat(_endpoints.Keys).Where(range.Contains));
            }
        }
    }

    /// <summary>A workload as the control plane tells it.</summary>
    public void Set(Workload workload)
    {
        if (_told.TryGetValue(workload.Uid, out var before) && before.Equals(workload))
        {
            return;
        }

        Remove(workload.Uid);
        _told[workload.Uid] = workload;
        foreach (var address in workload.Addresses)
        {
            List(_uids, address).Add(workload.Uid);
            _changed.Add(address);
        }
    }

    /// <summary>A workload is gone; others are ignored.</summary>
    public void Remove(string uid)
    {
        if (_told.Remove(uid, out var workload))
        {
            foreach (var address in workload.Addresses)
            {
                _uids[address].Remove(uid);
                _changed.Add(address);
            }
        }
    }

    /// <summary>The workload of an address, as it was told; null: none.</summary>
    public Workload? Find(IPAddress address) => _uids.TryGetValue(address, out var uids) && uids is [var first, ..] ? _told[first] : null;

    /// <summary>The endpoints of an assignment are others.</summary>
    public void Replace(EnvoyAssignment? before, EnvoyAssignment? after)
    {
        foreach (var endpoint in before?.Endpoints ?? [])
        {
            _endpoints[endpoint.Address].RemoveAll(entry => entry.Assignment == before!.Name);
            _changed.Add(endpoint.Address);
        }

        foreach (var endpoint in after?.Endpoints ?? [])
        {
            List(_endpoints, endpoint.Address).Add((after!.Name, endpoint));
            _changed.Add(endpoint.Address);
        }
    }

    /// <summary>Makes the workloads of an address.</summary>
    /// <param name="address">Address.</param>
    /// <param name="clusters">Clusters of an assignment that count for their ports, with the keys of their services.</param>
    /// <param name="network">Network of the proxy, in which what stands between is reached.</param>
    /// <param name="isOwnService">Whether a service is one whose endpoints clusters say.</param>
    /// <param name="isDirect">Whether requests that are addressed to the address itself are for this waypoint.</param>
    /// <param name="labels">Takes the labels of each workload; null for none.</param>
    /// <param name="removed">Takes uids that are gone.</param>
    /// <param name="problems">Takes what cannot be reached.</param>
    public IEnumerable<Workload> Make(
        IPAddress address,
        Func<string, IEnumerable<(EnvoyCluster Cluster, string Service)>> clusters,
        string network,
        Func<string, bool> isOwnService,
        bool isDirect,
        Action<string, ImmutableDictionary<string, string>?> labels,
        ICollection<string> removed,
        Problems problems)
    {
        var before = _made.GetValueOrDefault(address) ?? [];
        var now = new List<string>();
        var made = new List<Workload>();
        var endpoints = At(address, problems);
        var told = _uids.GetValueOrDefault(address)?.Select(uid => _told[uid]).ToList() ?? [];
        var left = endpoints.Where(entry => entry.Endpoint.Hop is null).ToList();
        foreach (var workload in told)
        {
            // Several workloads may share a node's address; which is meant the endpoint says.
            bool IsOwn((string Assignment, EnvoyEndpoint Endpoint) entry) =>
                entry.Endpoint.Hop is null && (told.Count == 1 || IsNamed(workload, entry.Endpoint.Workload));
            var own = workload.Addresses.SelectMany(each => At(each, problems)).Where(IsOwn).ToArray();
            left.RemoveAll(IsOwn);
            made.Add(Made(workload, own, isKnown: true));
        }

        foreach (var unknown in left.GroupBy(entry => entry.Endpoint.Workload))
        {
            if (unknown.Any(entry => entry.Endpoint.ByTunnel))
            {
                problems.Add($"endpoint {address}", "a tunnel leads to it, and nobody says who it is");
                continue;
            }

            foreach (var host in unknown.GroupBy(entry => entry.Endpoint.Host))
            {
                made.Add(Made(Anonymous(address, unknown.Key, host.First().Endpoint), [.. host], isKnown: false));
            }
        }

        foreach (var way in endpoints.Where(entry => entry.Endpoint.Hop is not null)
            .SelectMany(entry => clusters(entry.Assignment).Select(use => new HopUse(entry.Endpoint, use.Cluster, use.Service)))
            .GroupBy(use => (use.Endpoint.Hop!.Through, use.Endpoint.Hop.Target is null, use.Service)))
        {
            if (HopAssembly.Of([.. way], network, problems) is var (entrance, marks))
            {
                labels(entrance.Uid, marks);
                made.Add(entrance);
            }
        }

        foreach (var workload in made)
        {
            now.Add(workload.Uid);
        }

        foreach (var uid in before.Where(uid => !now.Contains(uid)))
        {
            removed.Add(uid);
            labels(uid, null);
        }

        _made[address] = now;
        return made;

        Workload Made(Workload workload, (string Assignment, EnvoyEndpoint Endpoint)[] own, bool isKnown)
        {
            var services = workload.Services.RemoveRange(workload.Services.Keys.Where(isOwnService)).ToBuilder();
            ImmutableDictionary<string, string>.Builder? marked = null;
            Dictionary<string, ImmutableArray<EndpointShare>>? shares = null;
            foreach (var (name, endpoint) in own)
            {
                foreach (var (cluster, service) in clusters(name))
                {
                    if (!endpoint.ByTunnel && cluster.Sockets.Of(endpoint.SocketLabels) == EndpointSocket.Unserved)
                    {
                        problems.Add($"cluster {cluster.Name}", $"its endpoint {address} wants another socket ({endpoint.SocketLabels.Replace('\n', ' ')}) than can be made");
                        continue;
                    }

                    var ports = services.GetValueOrDefault(service, []);
                    if (!ports.Any(port => port.Port == cluster.Meaning.Port))
                    {
                        services[service] = ports.Add(new ServicePort(cluster.Meaning.Port, endpoint.Port));
                    }

                    foreach (var (label, value) in RuleAssembly.LabelsOf(cluster, endpoint))
                    {
                        (marked ??= ImmutableDictionary.CreateBuilder<string, string>())[label] = value;
                    }

                    if (RuleAssembly.ShareOf(cluster, endpoint) is { } share)
                    {
                        shares ??= new Dictionary<string, ImmutableArray<EndpointShare>>(StringComparer.Ordinal);
                        shares[service] = shares.TryGetValue(service, out var others) ? others.Add(share) : [share];
                    }
                }
            }

            labels(workload.Uid, marked?.ToImmutable());
            return workload with
            {
                Services = services.ToImmutable(),
                Shares = shares is null ? workload.Shares : shares.ToImmutableDictionary(StringComparer.Ordinal),
                Protocol = own.Length == 0 ? workload.Protocol : own.Any(entry => entry.Endpoint.ByTunnel) && isKnown ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
                Status = own.Length == 0 ? workload.Status : own.Any(entry => entry.Endpoint.IsHealthy) ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,

                // What a cluster says of its share holds for that cluster alone.
                Capacity = own.Length == 0 ? workload.Capacity : 1,
                Waypoint = isDirect ? workload.Waypoint : null,
            };
        }
    }

    private List<(string Assignment, EnvoyEndpoint Endpoint)> At(IPAddress address, Problems problems)
    {
        var all = _endpoints.GetValueOrDefault(address) ?? [];
        if (!address.Equals(self) || !all.Exists(static entry => entry.Endpoint.ByTunnel))
        {
            return all;
        }

        problems.Add($"endpoints of {all.Find(static entry => entry.Endpoint.ByTunnel).Assignment}", $"the tunnel to {address} leads back to this proxy");
        return all.FindAll(static entry => !entry.Endpoint.ByTunnel);
    }

    private static bool IsNamed(Workload workload, string text) =>
        text.Split(';') is [var name, var ns, ..] && ns == workload.Namespace && (name == workload.WorkloadName || name == workload.Name);

    private static Workload Anonymous(IPAddress address, string text, EnvoyEndpoint endpoint)
    {
        var parts = text.Split(';');
        return new Workload
        {
            Uid = $"endpoint/{(endpoint.Host.Length > 0 ? endpoint.Host : address)}/{text}",
            Name = parts is [{ Length: > 0 } name, ..] ? name : endpoint.Host.Length > 0 ? endpoint.Host : address.ToString(),
            Hostname = endpoint.Host,
            Namespace = parts is [_, { Length: > 0 } ns, ..] ? ns : "unknown",
            WorkloadName = parts is [{ Length: > 0 } workload, ..] ? workload : "",
            CanonicalName = parts is [_, _, { Length: > 0 } canonical, ..] ? canonical : "",
            CanonicalRevision = parts is [_, _, _, { Length: > 0 } revision, ..] ? revision : "",
            Addresses = endpoint.Host.Length > 0 ? [] : [address],
            Locality = endpoint.Locality,

            // It is known by an address alone: it is nobody's identity.
            NetworkMode = NetworkMode.HostNetwork,
        };
    }

    private static List<T> List<T>(Dictionary<IPAddress, List<T>> lists, IPAddress address)
    {
        if (!lists.TryGetValue(address, out var list))
        {
            lists[address] = list = [];
        }

        return list;
    }
}
