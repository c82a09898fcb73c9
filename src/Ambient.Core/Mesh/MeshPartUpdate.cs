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

    /// <summary>Makes room for objects that are about to be set (<see cref="MeshSnapshotBuilder.EnsureCapacity"/>).</summary>
    /// <param name="workloads">How many workloads.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public MeshPartUpdate EnsureCapacity(int workloads)
    {
        ThrowIfEnded();
        _mesh.EnsureCapacity(workloads);
        return this;
    }

    /// <summary>Adds or replaces a workload of this part by uid.</summary>
    public MeshPartUpdate Set(Workload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        return Change(workload.Uid, workload, static contents => contents.Workloads, static (mesh, workload) => mesh.Set(workload), static (mesh, key) => mesh.RemoveWorkload(key));
    }

    /// <summary>Adds or replaces a service of this part by key.</summary>
    public MeshPartUpdate Set(MeshService service)
    {
        ArgumentNullException.ThrowIfNull(service);
        return Change(service.Key, service, static contents => contents.Services, static (mesh, service) => mesh.Set(service), static (mesh, key) => mesh.RemoveService(key));
    }

    /// <summary>Adds or replaces an L4 policy of this part by key.</summary>
    public MeshPartUpdate Set(AuthorizationPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Change(policy.Key, policy, static contents => contents.Policies, static (mesh, policy) => mesh.Set(policy), static (mesh, key) => mesh.RemovePolicy(key));
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
        Change(uid, null, static contents => contents.Workloads, static (mesh, workload) => mesh.Set(workload), static (mesh, key) => mesh.RemoveWorkload(key));

    /// <summary>Removes a service of this part; others are ignored.</summary>
    public MeshPartUpdate RemoveService(string key) =>
        Change(key, null, static contents => contents.Services, static (mesh, service) => mesh.Set(service), static (mesh, key) => mesh.RemoveService(key));

    /// <summary>Removes an L4 policy of this part; others are ignored.</summary>
    public MeshPartUpdate RemovePolicy(string key) =>
        Change(key, null, static contents => contents.Policies, static (mesh, policy) => mesh.Set(policy), static (mesh, key) => mesh.RemovePolicy(key));

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

        MeshSnapshotBuilder.Replace(workloads, static workload => workload.Uid, own.Workloads.Keys, RemoveWorkload, Set);
        MeshSnapshotBuilder.Replace(services, static service => service.Key, own.Services.Keys, RemoveService, Set);
        MeshSnapshotBuilder.Replace(policies, static policy => policy.Key, own.Policies.Keys, RemovePolicy, Set);
        return this;
    }

    internal MeshSnapshot Build() => _mesh.Build();

    internal void End() => _ended = true;

    private MeshPartUpdate Change<T>(
        string key, T? item, Func<PartContents, PartItems<T>> of, Action<MeshSnapshotBuilder, T> set, Action<MeshSnapshotBuilder, string> remove)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(key);
        ThrowIfEnded();
        if (_part.Contents is not { } own)
        {
            if (item is null)
            {
                remove(_mesh, key);
            }
            else
            {
                set(_mesh, item);
            }

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
            remove(_mesh, key);
        }

        if (after < _parts.Length && (before != after || ReferenceEquals(_parts[after], _part)))
        {
            set(_mesh, of(_parts[after].Contents!).Find(key)!);
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
