namespace Ambient.Mesh;

/// <summary>The objects that one part of a mesh holds, whether they are in the mesh or an earlier part's are.</summary>
internal sealed class PartContents
{
    private RequestConfiguration _before;

    internal PartContents(MeshSnapshot mesh)
    {
        Workloads = new PartItems<Workload>(mesh.WorkloadsByUid);
        Services = new PartItems<MeshService>(mesh.ServicesByKey);
        Policies = new PartItems<AuthorizationPolicy>(mesh.PoliciesByKey);
        Requests = _before = mesh.Requests;
    }

    internal PartItems<Workload> Workloads { get; }

    internal PartItems<MeshService> Services { get; }

    internal PartItems<AuthorizationPolicy> Policies { get; }

    internal RequestConfiguration Requests { get; set; }

    /// <summary>Keeps the changes of an update.</summary>
    internal void Commit()
    {
        Workloads.Commit();
        Services.Commit();
        Policies.Commit();
        _before = Requests;
    }

    /// <summary>Undoes the changes of an update.</summary>
    internal void Rollback()
    {
        Workloads.Rollback();
        Services.Rollback();
        Policies.Rollback();
        Requests = _before;
    }
}
