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
    private readonly Dictionary<IPAddress, Place> _places = [];
    private readonly Dictionary<string, ImmutableDictionary<string, ImmutableArray<ServicePort>>> _maps = new(StringComparer.Ordinal);
    private HashSet<IPAddress> _changed = [];

    /// <summary>Addresses whose workloads must be made again, and none after this.</summary>
    public IPAddress[] TakeChanged()
    {
        // A new one: after the first configuration there is hardly ever so much again.
        IPAddress[] changed = [.. _changed];
        _changed = [];
        return changed;
    }

    /// <summary>Everything must be made again.</summary>
    public void ChangeAll() => _changed.UnionWith(_places.Keys);

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
                _changed.UnionWith(_places.Keys.Where(range.Contains));
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
            var place = PlaceOf(address);
            place.Told = place.Told.With(workload);
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
                var place = _places[address];
                place.Told = place.Told.Without(told => told.Uid == uid);
                _changed.Add(address);
            }
        }
    }

    /// <summary>The workload of an address, as it was told; null: none.</summary>
    public Workload? Find(IPAddress address) => _places.TryGetValue(address, out var place) && place.Told.Count > 0 ? place.Told[0] : null;

    /// <summary>The endpoints of an assignment are others.</summary>
    public void Replace(EnvoyAssignment? before, EnvoyAssignment? after)
    {
        foreach (var endpoint in before?.Endpoints ?? [])
        {
            var place = _places[endpoint.Address];
            place.Endpoints = place.Endpoints.Without(entry => entry.Assignment == before!.Name);
            _changed.Add(endpoint.Address);
        }

        foreach (var endpoint in after?.Endpoints ?? [])
        {
            var place = PlaceOf(endpoint.Address);
            place.Endpoints = place.Endpoints.With(endpoint);
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
        if (!_places.TryGetValue(address, out var place))
        {
            return [];
        }

        var made = new List<Workload>();
        var endpoints = At(place, address, problems);
        var left = endpoints.Where(static endpoint => endpoint.Hop is null).ToList();
        var several = place.Told.Count > 1;
        foreach (var workload in place.Told.All)
        {
            // Several workloads may share a node's address; which is meant the endpoint says.
            bool IsOwn(EnvoyEndpoint endpoint) => endpoint.Hop is null && (!several || IsNamed(workload, endpoint.Workload));
            var own = workload.Addresses.SelectMany(each => At(_places.GetValueOrDefault(each), each, problems)).Where(IsOwn).ToArray();
            left.RemoveAll(IsOwn);
            made.Add(Made(workload, own, isKnown: true));
        }

        foreach (var unknown in left.GroupBy(endpoint => endpoint.Workload))
        {
            if (unknown.Any(endpoint => endpoint.ByTunnel))
            {
                problems.Add($"endpoint {address}", "a tunnel leads to it, and nobody says who it is");
                continue;
            }

            foreach (var host in unknown.GroupBy(endpoint => endpoint.Host))
            {
                made.Add(Made(Anonymous(address, unknown.Key, host.First()), [.. host], isKnown: false));
            }
        }

        foreach (var way in endpoints.Where(static endpoint => endpoint.Hop is not null)
            .SelectMany(endpoint => clusters(endpoint.Assignment).Select(use => new HopUse(endpoint, use.Cluster, use.Service)))
            .GroupBy(use => (use.Endpoint.Hop!.Through, use.Endpoint.Hop.Target is null, use.Service)))
        {
            if (HopAssembly.Of([.. way], network, problems) is var (entrance, marks))
            {
                labels(entrance.Uid, marks);
                made.Add(entrance);
            }
        }

        foreach (var uid in place.Made.All.Where(uid => made.All(workload => workload.Uid != uid)))
        {
            removed.Add(uid);
            labels(uid, null);
        }

        place.Made = default;
        foreach (var workload in made)
        {
            place.Made = place.Made.With(workload.Uid);
        }

        if (place.IsEmpty)
        {
            _places.Remove(address);
        }

        return made;

        Workload Made(Workload workload, EnvoyEndpoint[] own, bool isKnown)
        {
            var services = workload.Services.RemoveRange(workload.Services.Keys.Where(isOwnService)).ToBuilder();
            ImmutableDictionary<string, string>.Builder? marked = null;
            Dictionary<string, ImmutableArray<EndpointShare>>? shares = null;
            foreach (var endpoint in own)
            {
                foreach (var (cluster, service) in clusters(endpoint.Assignment))
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
            var now = workload with
            {
                Services = Shared(services, workload.Services),
                Shares = shares is null ? workload.Shares : shares.ToImmutableDictionary(StringComparer.Ordinal),
                Protocol = own.Length == 0 ? workload.Protocol : own.Any(endpoint => endpoint.ByTunnel) && isKnown ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
                Status = own.Length == 0 ? workload.Status : own.Any(endpoint => endpoint.IsHealthy) ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,

                // What a cluster says of its share holds for that cluster alone.
                Capacity = own.Length == 0 ? workload.Capacity : 1,
                Waypoint = isDirect ? workload.Waypoint : null,
            };

            // Usually both say the same, and one instance is enough.
            return now.Equals(workload) ? workload : now;
        }
    }

    /// <summary>The endpoints at an address, without those whose tunnels lead back to this proxy.</summary>
    private IEnumerable<EnvoyEndpoint> At(Place? place, IPAddress address, Problems problems)
    {
        var all = place?.Endpoints.All ?? [];
        if (!address.Equals(self) || all.FirstOrDefault(static endpoint => endpoint.ByTunnel) is not { } back)
        {
            return all;
        }

        problems.Add($"endpoints of {back.Assignment}", $"the tunnel to {address} leads back to this proxy");
        return all.Where(static endpoint => !endpoint.ByTunnel);
    }

    /// <summary>Services and ports as one map for all workloads that have the same, that of the workload as it was told before others.</summary>
    private ImmutableDictionary<string, ImmutableArray<ServicePort>> Shared(
        ImmutableDictionary<string, ImmutableArray<ServicePort>>.Builder services, ImmutableDictionary<string, ImmutableArray<ServicePort>> told)
    {
        if (IsSame(services, told))
        {
            return told;
        }

        // Of one service: a pod of several is rare.
        if (services.Count != 1)
        {
            return services.ToImmutable();
        }

        var service = services.Keys.First();
        return _maps.TryGetValue(service, out var shared) && IsSame(services, shared) ? shared : _maps[service] = services.ToImmutable();
    }

    private static bool IsSame(ImmutableDictionary<string, ImmutableArray<ServicePort>>.Builder services, ImmutableDictionary<string, ImmutableArray<ServicePort>> others)
    {
        if (services.Count != others.Count)
        {
            return false;
        }

        foreach (var (service, ports) in services)
        {
            if (!others.TryGetValue(service, out var theirs) || !ports.AsSpan().SequenceEqual(theirs.AsSpan()))
            {
                return false;
            }
        }

        return true;
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

    private Place PlaceOf(IPAddress address)
    {
        if (!_places.TryGetValue(address, out var place))
        {
            _places[address] = place = new Place();
        }

        return place;
    }

    /// <summary>What is known of an address.</summary>
    private sealed class Place
    {
        /// <summary>Workloads that are said to have it.</summary>
        public Few<Workload> Told { get; set; }

        /// <summary>Endpoints of clusters at it.</summary>
        public Few<EnvoyEndpoint> Endpoints { get; set; }

        /// <summary>Uids of the workloads that were made of both.</summary>
        public Few<string> Made { get; set; }

        public bool IsEmpty => Told.Count + Endpoints.Count + Made.Count == 0;
    }
}
