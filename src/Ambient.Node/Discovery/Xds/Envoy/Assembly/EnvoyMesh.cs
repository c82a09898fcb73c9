using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Extensions;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Routes;
using Ambient.Node.Discovery.Xds.Envoy.Secrets;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>
/// The mesh as a waypoint's or gateway's Envoy configuration tells it: takes resources one by one, and puts together again only the hosts and workloads
/// that they concern. Used by one thread at a time.
/// </summary>
internal sealed class EnvoyMesh(EnvoyNode node)
{
    private const string DirectHttp = "direct-http";
    private const string DirectTcp = "direct-tcp";

    private readonly Dictionary<string, EnvoyCluster> _clusters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<string>> _byAssignment = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EnvoyAssignment> _assignments = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EnvoyListener> _listeners = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RouteTable> _routes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EnvoySecret> _secrets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HostParts> _hosts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HostModel> _models = new(StringComparer.Ordinal);
    private readonly HashSet<string> _changedHosts = new(StringComparer.Ordinal);
    private readonly EndpointTable _endpoints = new(node.Address);
    private readonly ExtensionTable _extensions = new();
    private ImmutableArray<IPNetwork> _direct = [];
    private AddressRanges _isDirect = AddressRanges.Of([]);
    private ImmutableArray<RequestAuthorizationPolicy> _tunnelPolicies = [];
    private ImmutableArray<HostChain> _directChains = [];
    private Dictionary<string, ConsistentHash> _hashes = new(StringComparer.Ordinal);
    private RequestConfiguration _requests = RequestConfiguration.Empty;
    private readonly Dictionary<string, ImmutableArray<TrustDomain>> _networkTunnels = new(StringComparer.Ordinal);
    private string _network = "";
    private bool _changedListeners = true;

    // Services whose endpoints clusters say.
    private HashSet<string> _services = new(StringComparer.Ordinal);
    private bool _changedServices;

    /// <summary>
    /// Whether endpoints that clusters ask for are still to come for the first time. Until then workloads wait: made of half of what is said of them, all would
    /// be made twice, and nothing can be served before that anyway.
    /// </summary>
    public bool AwaitsEndpoints { get; set; }

    /// <summary>Names of assignments that clusters ask for.</summary>
    public IEnumerable<string> WantedAssignments => _clusters.Values.Select(cluster => cluster.Assignment).OfType<string>().Distinct();

    /// <summary>Names of routes that listeners ask for.</summary>
    public IEnumerable<string> WantedRoutes =>
        _listeners.Values.SelectMany(listener => listener.Chains).Select(chain => chain.Http?.RouteName).OfType<string>().Distinct();

    /// <summary>Names of filters that come by themselves.</summary>
    public IEnumerable<string> WantedExtensions => _listeners.Values.SelectMany(listener => listener.Chains).SelectMany(chain => chain.Extensions).Distinct();

    /// <summary>Names of secrets that listeners and clusters ask for, as far as istiod has them.</summary>
    public IEnumerable<string> WantedSecrets => _listeners.Values.SelectMany(listener => listener.Chains).Select(chain => chain.Tls).OfType<ChainTls>()
        .SelectMany(tls => tls.Authorities is { } authorities ? tls.Certificates.Add(authorities) : tls.Certificates)
        .Concat(_clusters.Values.SelectMany(cluster => cluster.Tls?.Secrets ?? []))
        .Where(EnvoySecret.IsFromControlPlane).Distinct();

    /// <summary>A cluster, or null when it is of no interest.</summary>
    public void SetCluster(string name, EnvoyCluster? cluster)
    {
        if (_clusters.TryGetValue(name, out var before))
        {
            if (before.Equals(cluster))
            {
                return;
            }

            Change(before);
            _hosts[before.Meaning.Host].Remove(name);
            _endpoints.Replace(before.Own, null);
            if (before.Own is not null)
            {
                _assignments.Remove(before.Own.Name);
            }

            if (_byAssignment[AssignmentOf(before)] is var sharers && sharers.Remove(name) && sharers.Count == 0)
            {
                _byAssignment.Remove(AssignmentOf(before));
            }

            _clusters.Remove(name);
        }

        if (cluster is null)
        {
            return;
        }

        _clusters[name] = cluster;
        Parts(cluster.Meaning.Host).Set(cluster);
        if (!_byAssignment.TryGetValue(AssignmentOf(cluster), out var users))
        {
            _byAssignment[AssignmentOf(cluster)] = users = [];
        }

        users.Add(name);
        if (cluster.Own is { } own)
        {
            _assignments[own.Name] = own;
            _endpoints.Replace(null, own);
        }

        Change(cluster);
    }

    /// <summary>Whose members may be at the ends of tunnels to other networks, as one of the clusters that make them says; null: it does not any more.</summary>
    public void SetNetworkTunnel(string name, ImmutableArray<TrustDomain>? domains)
    {
        if (domains is { } said)
        {
            _networkTunnels[name] = said;
        }
        else
        {
            _networkTunnels.Remove(name);
        }
    }

    /// <summary>Endpoints of a cluster; null: they are gone.</summary>
    public void SetAssignment(string name, EnvoyAssignment? assignment)
    {
        var before = _assignments.GetValueOrDefault(name);
        if (Equals(before, assignment))
        {
            return;
        }

        _endpoints.Replace(before, assignment);
        Put(_assignments, name, assignment);
        foreach (var user in _byAssignment.GetValueOrDefault(name) ?? [])
        {
            var cluster = _clusters[user];
            if ((before is null) != (assignment is null))
            {
                // Another cluster may count for the port from here on.
                _hosts[cluster.Meaning.Host].Recount();
                ChangeEndpoints(cluster);
            }

            if ((before?.Overprovisioning ?? AssignedEndpoints.UsualOverprovisioning) != (assignment?.Overprovisioning ?? AssignedEndpoints.UsualOverprovisioning))
            {
                _changedHosts.Add(cluster.Meaning.Host);
            }
        }
    }

    /// <summary>A listener; null: it is gone.</summary>
    public void SetListener(string name, EnvoyListener? listener)
    {
        _changedListeners = true;
        Put(_listeners, name, listener);
    }

    /// <summary>Routes; null: they are gone.</summary>
    public void SetRoutes(string name, RouteTable? routes)
    {
        _changedListeners = true;
        Put(_routes, name, routes);
    }

    /// <summary>A filter that comes by itself; null: it is gone.</summary>
    public void SetExtension(string name, EnvoyExtension? extension) => _changedListeners |= _extensions.Set(name, extension);

    /// <summary>A secret; null: it is gone.</summary>
    public void SetSecret(string name, EnvoySecret? secret)
    {
        _changedListeners = true;
        Put(_secrets, name, secret);

        foreach (var cluster in _clusters.Values.Where(cluster => cluster.Tls?.Secrets.Contains(name) == true))
        {
            _changedHosts.Add(cluster.Meaning.Host);
        }
    }

    /// <summary>A workload.</summary>
    public void SetWorkload(Workload workload) => _endpoints.Set(workload);

    /// <summary>A workload is gone; other names are ignored.</summary>
    public void RemoveWorkload(string uid) => _endpoints.Remove(uid);

    /// <summary>Puts what has changed into the mesh.</summary>
    /// <param name="update">The mesh.</param>
    /// <param name="problems">Takes what does not fit together.</param>
    public void Publish(MeshPartUpdate update, Problems problems)
    {
        if (_endpoints.Find(node.Address) is { } self && self.Network != _network)
        {
            _network = self.Network;
            _changedHosts.UnionWith(_hosts.Keys);
            _endpoints.ChangeAll();
        }

        var requests = _requests;
        if (_changedListeners)
        {
            requests = ApplyListeners(requests, problems);
            _changedListeners = false;
        }

        requests = ApplyHosts(requests, update, problems);
        requests = ApplyEndpoints(requests, update, problems);
        var domains = NetworkTrustDomains();
        requests = domains.SequenceEqual(requests.NetworkTrustDomains) ? requests : requests with { NetworkTrustDomains = domains };
        if (!requests.Equals(_requests))
        {
            _requests = requests;
            update.Set(requests);
        }
    }

    /// <summary>Both tunnels of the two must have said so.</summary>
    private ImmutableArray<TrustDomain> NetworkTrustDomains() =>
        _networkTunnels.Count < 2 ? [] : [.. _networkTunnels.Values.Aggregate(static (all, domains) => [.. all.Intersect(domains)]).OrderBy(static domain => domain.Name, StringComparer.Ordinal)];

    private static string AssignmentOf(EnvoyCluster cluster) => cluster.Assignment ?? cluster.Own?.Name ?? cluster.Name;

    private HostParts Parts(string host)
    {
        if (!_hosts.TryGetValue(host, out var parts))
        {
            _hosts[host] = parts = new HostParts();
        }

        return parts;
    }

    private void Change(EnvoyCluster cluster)
    {
        _changedHosts.Add(cluster.Meaning.Host);
        ChangeEndpoints(cluster);
    }

    /// <summary>The endpoints of every cluster for the port and subset of one: which of them counts may be another one now.</summary>
    private void ChangeEndpoints(EnvoyCluster cluster)
    {
        foreach (var beside in Parts(cluster.Meaning.Host).Beside(cluster))
        {
            _endpoints.Change(_assignments.GetValueOrDefault(AssignmentOf(beside)));
        }
    }

    private RequestConfiguration ApplyListeners(RequestConfiguration requests, Problems problems)
    {
        var listeners = _extensions.Resolve(_listeners.Values, problems);
        if (node.IsGateway)
        {
            Rehash(_routes.Values.Select(static table => ((string?)null, table)), listeners.SelectMany(static listener => listener.Chains));
            return GatewayAssembly.Apply(requests, node, listeners, _routes, _secrets, problems);
        }

        var main = listeners.FirstOrDefault(static listener => listener.Name == EnvoyListener.Main);
        var tunnels = listeners.FirstOrDefault(static listener => listener.Name == EnvoyListener.Tunnels);
        var destinations = (main?.Destinations ?? []).ToLookup(destination => destination.Chain);
        var chains = new Dictionary<string, ImmutableArray<HostChain>.Builder>(StringComparer.Ordinal);
        var direct = ImmutableArray.CreateBuilder<HostChain>();
        Rehash((main?.Chains ?? []).Where(chain => chain.Http?.Routes is not null).Select(chain => (ClusterName.Parse(chain.Name)?.Host, chain.Http!.Routes!)), main?.Chains ?? []);
        var all = WithMissing(main?.Chains ?? [], destinations, problems);
        foreach (var chain in all)
        {
            if (chain.Name is DirectHttp or DirectTcp)
            {
                direct.Add(new HostChain(new ClusterName(true, 1, chain.Name == DirectTcp, null, ""), chain, [.. destinations[chain.Name]], false));
            }
            else if (ClusterName.Parse(chain.Name) is not { IsOwn: true } name)
            {
                problems.Add($"chain {chain.Name}", "it is for no service");
            }
            else if (!destinations.Contains(chain.Name))
            {
                problems.Add($"chain {chain.Name}", "nothing leads to it");
            }
            else
            {
                if (!chains.TryGetValue(name.Host, out var own))
                {
                    chains[name.Host] = own = ImmutableArray.CreateBuilder<HostChain>();
                }

                own.Add(new HostChain(name, chain, [.. destinations[chain.Name]], main!.Inspection.IsAt(name.Port)));
            }
        }

        foreach (var host in _hosts.Keys.Concat(chains.Keys).Distinct().ToArray())
        {
            var parts = Parts(host);
            var now = chains.TryGetValue(host, out var own) ? own.ToImmutable() : [];
            if (parts.Chains.Length != now.Length || !parts.Chains.Zip(now).All(pair => pair.First.IsSame(pair.Second)))
            {
                parts.Chains = now;
                _changedHosts.Add(host);
            }
        }

        // Who may open tunnels the listener that ends them says: without it an Envoy would take none.
        var policies = tunnels?.TunnelPolicies ?? (main is null ? [] : [ChainPolicies.Nobody(problems.Add($"listener {EnvoyListener.Tunnels}", "it has not come"))]);
        if (!policies.AsSpan().SequenceEqual(_tunnelPolicies.AsSpan()))
        {
            _tunnelPolicies = policies;
            _changedHosts.UnionWith(_hosts.Keys);
        }

        ImmutableArray<IPNetwork> ranges = [.. direct.SelectMany(chain => chain.Destinations).SelectMany(destination => destination.Ranges).Distinct()];
        if (!ranges.AsSpan().SequenceEqual(_direct.AsSpan()))
        {
            _endpoints.Change(_direct.Except(ranges).Concat(ranges.Except(_direct)));
            _direct = ranges;
            _isDirect = AddressRanges.Of(ranges);
        }

        _directChains = direct.ToImmutable();
        var domains = tunnels?.TrustDomains ?? [];
        return WaypointAssembly.Apply(requests, node, domains, all, PlaceAssembly.Of(null, _directChains, _tunnelPolicies, problems), main is not null);
    }

    /// <summary>Chains, and those that destinations name and that are not there: what would have come to them is answered with an error.</summary>
    private static ImmutableArray<EnvoyChain> WithMissing(ImmutableArray<EnvoyChain> chains, ILookup<string, ChainDestination> destinations, Problems problems)
    {
        var names = chains.Select(static chain => chain.Name).ToHashSet(StringComparer.Ordinal);
        return
        [
            .. chains,
            .. destinations.Where(destination => !names.Contains(destination.Key))
                .Select(destination => new EnvoyChain { Name = destination.Key, Blocked = problems.Add($"chain {destination.Key}", "it is not there, or cannot be read") }),
        ];
    }

    /// <summary>What requests and connections hash by: routes and chains say so, and it concerns the hosts that they lead to.</summary>
    /// <param name="tables">Tables, each with the host that it is of; null: of none.</param>
    /// <param name="chains">Chains, for what opaque connections hash by.</param>
    private void Rehash(IEnumerable<(string? Host, RouteTable Table)> tables, IEnumerable<EnvoyChain> chains)
    {
        // Of several routes that lead to a host its own says best what it hashes by: another's may hash for a destination beside it.
        var hashes = new Dictionary<string, ConsistentHash>(StringComparer.Ordinal);
        foreach (var (cluster, hash) in tables.SelectMany(static table => table.Table.Hashes.Select(entry => (table.Host, Entry: entry)))
            .OrderByDescending(static said => said.Host is not null && ClusterName.Parse(said.Entry.Key)?.Host == said.Host).Select(static said => said.Entry)
            .Concat(chains.Where(static chain => chain.Hash is not null).SelectMany(static chain => chain.Clusters.Select(cluster => KeyValuePair.Create(cluster.Cluster, chain.Hash!)))))
        {
            hashes.TryAdd(cluster, hash);
        }

        foreach (var cluster in hashes.Keys.Concat(_hashes.Keys).Distinct().Where(cluster => !Equals(hashes.GetValueOrDefault(cluster), _hashes.GetValueOrDefault(cluster))))
        {
            if (ClusterName.Parse(cluster) is { } name)
            {
                _changedHosts.Add(name.Host);
            }
        }

        _hashes = hashes;
    }

    private RequestConfiguration ApplyHosts(RequestConfiguration requests, MeshPartUpdate update, Problems problems)
    {
        if (_changedHosts.Count == 0)
        {
            return requests;
        }

        var (places, rules, protections) = (requests.Places.ToBuilder(), requests.DestinationRules.ToBuilder(), requests.BackendProtections.ToBuilder());
        foreach (var host in _changedHosts)
        {
            var parts = _hosts.GetValueOrDefault(host);
            var model = parts is null ? null : HostAssembly.Of(host, parts, node, _network, _assignments, _hashes, _secrets.GetValueOrDefault, _tunnelPolicies, problems);
            if (parts is { IsEmpty: true })
            {
                _hosts.Remove(host);
            }

            _models.TryGetValue(host, out var before);
            if (before is not null && before.Service.Key != model?.Service.Key)
            {
                update.RemoveService(before.Service.Key);
                places.Remove(before.Service.Key);
                rules.Remove(before.Service.Key);
                protections.Remove(host);
            }

            if (before?.Service.Key != model?.Service.Key)
            {
                foreach (var cluster in parts?.Clusters.Values ?? Enumerable.Empty<EnvoyCluster>())
                {
                    _endpoints.Change(_assignments.GetValueOrDefault(AssignmentOf(cluster)));
                }
            }

            if (model is null)
            {
                _models.Remove(host);
                continue;
            }

            // What is the same stays the same instance, so that nothing that was compiled from it is compiled again.
            _models[host] = model;
            if (!model.Service.Equals(before?.Service))
            {
                update.Set(model.Service);
            }

            Put(places, model.Service.Key, model.Place);
            Put(rules, model.Service.Key, model.Rule);
            Put(protections, host, model.Protection);
        }

        _changedHosts.Clear();
        _changedServices = true;
        return requests with
        {
            Places = places.ToImmutable(),
            DestinationRules = rules.ToImmutable(),
            BackendProtections = protections.ToImmutable(),
            UnmetProtections = [.. _models.OrderBy(entry => entry.Key, StringComparer.Ordinal).SelectMany(entry => entry.Value.Unmet)],
        };
    }

    private RequestConfiguration ApplyEndpoints(RequestConfiguration requests, MeshPartUpdate update, Problems problems)
    {
        // Where clusters name endpoints these are all that there are, whichever came first: what workloads say of services, or the clusters.
        if (_changedServices)
        {
            var now = _models.Where(model => _hosts.TryGetValue(model.Key, out var parts) && parts.Clusters.Values.Any(static cluster => cluster.Assignment is not null || cluster.Own is not null))
                .Select(static model => model.Value.Service.Key).ToHashSet(StringComparer.Ordinal);
            var others = now.ToHashSet(StringComparer.Ordinal);
            others.SymmetricExceptWith(_services);
            _endpoints.Change(others);
            _services = now;
            _changedServices = false;
        }

        var changed = AwaitsEndpoints ? [] : _endpoints.TakeChanged();
        if (changed.Length == 0)
        {
            return requests;
        }

        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Builder? labels = null;
        var (removed, made) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        foreach (var address in changed)
        {
            var isDirect = _isDirect.Contain(address);
            foreach (var workload in _endpoints.Make(address, ClustersOf, _network, _services.Contains, isDirect, Label, removed, problems))
            {
                made.Add(workload.Uid);
                update.Set(workload);
            }
        }

        foreach (var uid in removed.Where(uid => !made.Contains(uid)))
        {
            update.RemoveWorkload(uid);
        }

        return labels is null ? requests : requests with { WorkloadLabels = labels.ToImmutable() };

        void Label(string uid, ImmutableDictionary<string, string>? own)
        {
            if (own is not null || requests.WorkloadLabels.ContainsKey(uid))
            {
                Put(labels ??= requests.WorkloadLabels.ToBuilder(), uid, own);
            }
        }
    }

    private IEnumerable<(EnvoyCluster Cluster, string Service)> ClustersOf(string assignment)
    {
        foreach (var name in _byAssignment.GetValueOrDefault(assignment) ?? [])
        {
            var cluster = _clusters[name];
            if (_models.TryGetValue(cluster.Meaning.Host, out var model) && _hosts[cluster.Meaning.Host].Counts(cluster, other => _assignments.ContainsKey(AssignmentOf(other))))
            {
                yield return (cluster, model.Service.Key);
            }
        }
    }

    private static void Put<T>(Dictionary<string, T> items, string name, T? item)
        where T : class
    {
        if (item is null)
        {
            items.Remove(name);
        }
        else
        {
            items[name] = item;
        }
    }

    private static void Put<T>(ImmutableDictionary<string, T>.Builder items, string key, T? item)
        where T : class
    {
        if (item is null)
        {
            items.Remove(key);
        }
        else if (!items.TryGetValue(key, out var before) || !before.Equals(item))
        {
            items[key] = item;
        }
    }
}
