using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// Makes the next snapshot from the previous one and what changed. Not thread-safe: one source, one builder. The cost
/// grows with the change, not with the mesh, save that each service and node with a changed workload has its list of
/// endpoints copied once.
/// </summary>
public sealed class MeshSnapshotBuilder
{
    private readonly SharedMap<string, Workload>.Builder _workloads;
    private readonly SharedMap<string, MeshService>.Builder _services;
    private readonly SharedMap<string, AuthorizationPolicy>.Builder _policies;
    private readonly WorkloadAddressIndex.Builder _workloadAddresses;
    private readonly ServiceIndex.Builder _serviceAddresses;
    private readonly GroupIndex<MeshEndpoint>.Builder _endpoints;
    private readonly SharedMap<string, ImmutableArray<MeshEndpoint>>.Builder _healthyEndpoints;
    private readonly GroupIndex<Workload>.Builder _nodes;
    private readonly PolicyIndex.Builder _policyScopes;
    private RequestConfiguration _requests;
    private MeshSnapshot _last;
    private bool _changed;

    /// <summary>Starts from <paramref name="previous"/>.</summary>
    public MeshSnapshotBuilder(MeshSnapshot previous)
    {
        ArgumentNullException.ThrowIfNull(previous);
        Previous = _last = previous;
        _workloads = previous.WorkloadsByUid.ToBuilder();
        _services = previous.ServicesByKey.ToBuilder();
        _policies = previous.PoliciesByKey.ToBuilder();
        _workloadAddresses = previous.WorkloadAddresses.ToBuilder();
        _serviceAddresses = previous.ServiceAddresses.ToBuilder();
        _endpoints = previous.Endpoints.ToBuilder();
        _healthyEndpoints = previous.HealthyEndpoints.ToBuilder();
        _nodes = previous.Nodes.ToBuilder();
        _policyScopes = previous.PolicyScopes.ToBuilder();
        _requests = previous.Requests;
    }

    /// <summary>The snapshot that changes are made to.</summary>
    public MeshSnapshot Previous { get; }

    /// <summary>Makes room for objects that are about to be set, so that a large mesh is taken in without tables that grow step by step.</summary>
    /// <param name="workloads">How many workloads.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public MeshSnapshotBuilder EnsureCapacity(int workloads)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(workloads);
        _workloads.EnsureCapacity(workloads);
        _workloadAddresses.EnsureCapacity(workloads);
        _endpoints.EnsureCapacity(workloads);
        _nodes.EnsureCapacity(workloads);
        return this;
    }

    /// <summary>Adds or replaces a workload by uid.</summary>
    public MeshSnapshotBuilder Set(Workload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        var old = _workloads.GetValueOrDefault(workload.Uid);
        if (!workload.Equals(old))
        {
            _workloads[workload.Uid] = workload;
            Reindex(old, workload);
        }

        return this;
    }

    /// <summary>Adds or replaces a service by key.</summary>
    public MeshSnapshotBuilder Set(MeshService service)
    {
        ArgumentNullException.ThrowIfNull(service);
        var old = _services.GetValueOrDefault(service.Key);
        if (!service.Equals(old))
        {
            _services[service.Key] = service;
            _serviceAddresses.Replace(old, service);
            _changed = true;
        }

        return this;
    }

    /// <summary>Adds or replaces an L4 policy by key.</summary>
    public MeshSnapshotBuilder Set(AuthorizationPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        var old = _policies.GetValueOrDefault(policy.Key);
        if (!policy.Equals(old))
        {
            _policies[policy.Key] = policy;
            _policyScopes.Replace(old, policy);
            _changed = true;
        }

        return this;
    }

    /// <summary>Replaces what waypoints and gateways read.</summary>
    public MeshSnapshotBuilder Set(RequestConfiguration requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        if (!requests.Equals(_requests))
        {
            _requests = requests;
            _changed = true;
        }

        return this;
    }

    /// <summary>Removes a workload; unknown uids are ignored.</summary>
    public MeshSnapshotBuilder RemoveWorkload(string uid)
    {
        if (_workloads.Remove(uid, out var old))
        {
            Reindex(old, null);
        }

        return this;
    }

    /// <summary>Removes a service; unknown keys are ignored.</summary>
    public MeshSnapshotBuilder RemoveService(string key)
    {
        if (_services.Remove(key, out var old))
        {
            _serviceAddresses.Replace(old, null);
            _changed = true;
        }

        return this;
    }

    /// <summary>Removes an L4 policy; unknown keys are ignored.</summary>
    public MeshSnapshotBuilder RemovePolicy(string key)
    {
        if (_policies.Remove(key, out var old))
        {
            _policyScopes.Replace(old, null);
            _changed = true;
        }

        return this;
    }

    /// <summary>
    /// Makes the mesh exactly these objects: what is not among them is removed, equal objects are shared with the
    /// previous snapshot. For sources that always know the whole (a folder, a file). New objects are taken in the order
    /// of their keys, whatever order they are given in, so that every process decides conflicts alike.
    /// </summary>
    public MeshSnapshotBuilder ReplaceAll(
        IEnumerable<Workload> workloads, IEnumerable<MeshService> services, IEnumerable<AuthorizationPolicy> policies)
    {
        ArgumentNullException.ThrowIfNull(workloads);
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(policies);
        if (_workloads.Count == 0 && workloads.TryGetNonEnumeratedCount(out var count))
        {
            EnsureCapacity(count);
        }

        Replace(workloads, workload => workload.Uid, _workloads.Keys, RemoveWorkload, Set);
        Replace(services, service => service.Key, _services.Keys, RemoveService, Set);
        Replace(policies, policy => policy.Key, _policies.Keys, RemovePolicy, Set);
        return this;
    }

    /// <summary>
    /// Orders the claims of addresses and hostnames by who owns the objects, before the order of time: lower places go first.
    /// </summary>
    internal void OrderClaims(Func<string, int> workloads, Func<string, int> services)
    {
        _workloadAddresses.OrderOf = workloads;
        _serviceAddresses.OrderOf = services;
    }

    /// <summary>Removes what is held and not among the items, then sets these; both in the order of their keys.</summary>
    internal static void Replace<T, TResult>(
        IEnumerable<T> items, Func<T, string> keyOf, IEnumerable<string> held, Func<string, TResult> remove, Func<T, TResult> set)
    {
        var wanted = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var item in items)
        {
            wanted[keyOf(item)] = item;
        }

        foreach (var gone in held.Where(key => !wanted.ContainsKey(key)).Order(StringComparer.Ordinal).ToArray())
        {
            remove(gone);
        }

        // Sorted in one array: a tree would be an object for each of a hundred thousand workloads.
        var ordered = wanted.ToArray();
        Array.Sort(ordered, static (left, right) => string.CompareOrdinal(left.Key, right.Key));
        foreach (var (_, item) in ordered)
        {
            set(item);
        }
    }

    /// <summary>The new snapshot, or the previous one when nothing changed.</summary>
    public MeshSnapshot Build()
    {
        if (!_changed)
        {
            return _last;
        }

        _changed = false;
        var (endpoints, healthyEndpoints) = BuildEndpoints();
        return _last = new MeshSnapshot
        {
            Version = _last.Version + 1,
            WorkloadsByUid = _workloads.ToImmutable(),
            ServicesByKey = _services.ToImmutable(),
            PoliciesByKey = _policies.ToImmutable(),
            Requests = _requests,
            WorkloadAddresses = _workloadAddresses.ToImmutable(),
            ServiceAddresses = _serviceAddresses.ToImmutable(),
            Endpoints = endpoints,
            HealthyEndpoints = healthyEndpoints,
            Nodes = _nodes.ToImmutable(),
            PolicyScopes = _policyScopes.ToImmutable(),
        };
    }

    private (GroupIndex<MeshEndpoint> All, SharedMap<string, ImmutableArray<MeshEndpoint>> Healthy) BuildEndpoints()
    {
        string[] touched = [.. _endpoints.Touched];
        var all = _endpoints.ToImmutable();
        foreach (var service in touched)
        {
            var endpoints = all.Get(service);
            var healthy = AllHealthy(endpoints) ? endpoints : [.. endpoints.Where(static endpoint => endpoint.Workload.Status == WorkloadStatus.Healthy)];
            if (healthy.IsEmpty)
            {
                _healthyEndpoints.Remove(service);
            }
            else
            {
                _healthyEndpoints[service] = healthy;
            }
        }

        return (all, _healthyEndpoints.ToImmutable());
    }

    private static bool AllHealthy(ImmutableArray<MeshEndpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            if (endpoint.Workload.Status != WorkloadStatus.Healthy)
            {
                return false;
            }
        }

        return true;
    }

    private void Reindex(Workload? old, Workload? now)
    {
        _changed = true;
        _workloadAddresses.Replace(old, now);
        if (old is not null && old.Node != now?.Node)
        {
            _nodes.Remove(old.Node, old.Uid);
        }

        if (now is not null)
        {
            _nodes.Set(now.Node, now);
        }

        ReindexEndpoints(old, now);
    }

    private void ReindexEndpoints(Workload? old, Workload? now)
    {
        foreach (var service in old?.Services.Keys ?? [])
        {
            if (now is null || !now.Services.ContainsKey(service))
            {
                _endpoints.Remove(service, old!.Uid);
            }
        }

        if (now is null)
        {
            return;
        }

        foreach (var (service, ports) in now.Services)
        {
            _endpoints.Set(service, new MeshEndpoint(now, ports));
        }
    }
}
