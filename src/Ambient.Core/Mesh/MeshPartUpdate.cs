using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>The changes of one update of a <see cref="MeshPart"/>. Of use only while <see cref="MeshPart.Update"/> runs.</summary>
public sealed class MeshPartUpdate
{
    private readonly MeshPart _part;
    private readonly ImmutableArray<MeshPart> _parts;
    private readonly MeshSnapshotBuilder _mesh;
    private bool _ended;

    internal MeshPartUpdate(MeshPart part, ImmutableArray<MeshPart> parts, MeshSnapshot previous)
    {
        (_part, _parts, _mesh) = (part, parts, new MeshSnapshotBuilder(previous));
        if (parts.Length > 1)
        {
            _mesh.OrderClaims(
                uid => OwnerOf(uid, static contents => contents.Workloads), key => OwnerOf(key, static contents => contents.Services));
        }
    }

    /// <summary>The mesh of all parts before this update.</summary>
    public MeshSnapshot Previous => _mesh.Previous;

    /// <summary>Adds or replaces a workload of this part by uid.</summary>
    public MeshPartUpdate Set(Workload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        if (_part.Contents is null)
        {
            // The only part: a hundred thousand of them come this way at a start.
            ThrowIfEnded();
            _mesh.Set(workload);
            return this;
        }

        return Change(workload.Uid, workload, static contents => contents.Workloads, _mesh.Set, _mesh.RemoveWorkload);
    }

    /// <summary>Adds or replaces a service of this part by key.</summary>
    public MeshPartUpdate Set(MeshService service)
    {
        ArgumentNullException.ThrowIfNull(service);
        return Change(service.Key, service, static contents => contents.Services, _mesh.Set, _mesh.RemoveService);
    }

    /// <summary>Adds or replaces an L4 policy of this part by key.</summary>
    public MeshPartUpdate Set(AuthorizationPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Change(policy.Key, policy, static contents => contents.Policies, _mesh.Set, _mesh.RemovePolicy);
    }

    /// <summary>
    /// Replaces what this part says to waypoints and gateways. Objects of several parts are in the mesh side by side; the domains are those of
    /// the first part that says anything.
    /// </summary>
    public MeshPartUpdate Set(RequestConfiguration requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        ThrowIfEnded();
        if (_part.Contents is not { } own)
        {
            _mesh.Set(requests);
            return this;
        }

        own.Requests = requests;
        var all = RequestConfiguration.Empty;
        foreach (var part in _parts)
        {
            all = all.FollowedBy(part.Contents!.Requests);
        }

        _mesh.Set(all);
        return this;
    }

    /// <summary>Removes a workload of this part; others are ignored.</summary>
    public MeshPartUpdate RemoveWorkload(string uid) =>
        Change(uid, null, static contents => contents.Workloads, _mesh.Set, _mesh.RemoveWorkload);

    /// <summary>Removes a service of this part; others are ignored.</summary>
    public MeshPartUpdate RemoveService(string key) =>
        Change(key, null, static contents => contents.Services, _mesh.Set, _mesh.RemoveService);

    /// <summary>Removes an L4 policy of this part; others are ignored.</summary>
    public MeshPartUpdate RemovePolicy(string key) =>
        Change(key, null, static contents => contents.Policies, _mesh.Set, _mesh.RemovePolicy);

    /// <summary>
    /// Makes this part exactly these objects: what is not among them is removed, equal objects stay the instances that they were. For sources
    /// that always know their whole (a folder, a file). New objects are taken in the order of their keys.
    /// </summary>
    public MeshPartUpdate ReplaceAll(
        IEnumerable<Workload> workloads, IEnumerable<MeshService> services, IEnumerable<AuthorizationPolicy> policies)
    {
        ArgumentNullException.ThrowIfNull(workloads);
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(policies);
        ThrowIfEnded();
        if (_part.Contents is not { } own)
        {
            _mesh.ReplaceAll(workloads, services, policies);
            return this;
        }

        Replace(workloads, static workload => workload.Uid, own.Workloads, RemoveWorkload, Set);
        Replace(services, static service => service.Key, own.Services, RemoveService, Set);
        Replace(policies, static policy => policy.Key, own.Policies, RemovePolicy, Set);
        return this;
    }

    internal MeshSnapshot Build() => _mesh.Build();

    internal void End() => _ended = true;

    private static void Replace<T>(
        IEnumerable<T> items, Func<T, string> keyOf, PartItems<T> held, Func<string, MeshPartUpdate> remove, Func<T, MeshPartUpdate> set)
        where T : class
    {
        var wanted = new SortedDictionary<string, T>(StringComparer.Ordinal);
        foreach (var item in items)
        {
            wanted[keyOf(item)] = item;
        }

        foreach (var gone in held.Keys.Where(key => !wanted.ContainsKey(key)).Order(StringComparer.Ordinal).ToArray())
        {
            remove(gone);
        }

        foreach (var item in wanted.Values)
        {
            set(item);
        }
    }

    private MeshPartUpdate Change<T>(
        string key, T? item, Func<PartContents, PartItems<T>> of, Func<T, MeshSnapshotBuilder> set, Func<string, MeshSnapshotBuilder> remove)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(key);
        ThrowIfEnded();
        if (_part.Contents is not { } own)
        {
            _ = item is null ? remove(key) : set(item);
            return this;
        }

        var before = OwnerOf(key, of);
        if (!of(own).Set(key, item))
        {
            return this;
        }

        var after = OwnerOf(key, of);
        if (before != after)
        {
            // What another part owned gives up its addresses, so that the new one's claims stand where they belong.
            remove(key);
        }

        if (after < _parts.Length && (before != after || ReferenceEquals(_parts[after], _part)))
        {
            set(of(_parts[after].Contents!).Find(key)!);
        }

        return this;
    }

    /// <summary>Place of the part whose object of that key is in the mesh; behind the last one when nobody has it.</summary>
    private int OwnerOf<T>(string key, Func<PartContents, PartItems<T>> of)
        where T : class
    {
        var place = 0;
        while (place < _parts.Length && of(_parts[place].Contents!).Find(key) is null)
        {
            place++;
        }

        return place;
    }

    private void ThrowIfEnded()
    {
        if (_ended)
        {
            throw new InvalidOperationException("the update is over; begin another one");
        }
    }
}
