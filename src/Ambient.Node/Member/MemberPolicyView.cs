using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Member;

/// <summary>The member's own policies in the newest snapshot, compiled once for as long as they are the same.</summary>
internal sealed class MemberPolicyView(IMeshSnapshotProvider meshes, LocalWorkload self)
{
    private volatile Compiled? _last;

    /// <summary>The policies; null while the mesh does not know the workload, which lets nobody in.</summary>
    public MemberPolicies? Current
    {
        get
        {
            var mesh = meshes.Current;
            if (self.Current is not { } workload)
            {
                return null;
            }

            if (_last is { } last && ReferenceEquals(last.Mesh.Policies, mesh.Policies) && ReferenceEquals(last.Mesh.Requests, mesh.Requests) && ReferenceEquals(last.Workload, workload))
            {
                return last.Policies;
            }

            var policies = MemberPolicies.Of(mesh, workload);
            _last = new Compiled(mesh, workload, policies);
            return policies;
        }
    }

    private sealed record Compiled(MeshSnapshot Mesh, Workload Workload, MemberPolicies Policies);
}
