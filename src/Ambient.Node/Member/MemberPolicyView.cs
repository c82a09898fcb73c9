using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Member;

/// <summary>The member's own policies in the newest snapshot, compiled once for as long as they are the same.</summary>
internal sealed class MemberPolicyView(IMeshSnapshotProvider meshes, LocalWorkload self)
{
    private volatile Compiled? _last;

    /// <summary>What is done to paths before policies look at them.</summary>
    public PathNormalization PathNormalization => meshes.Current.Requests.PathNormalization;

    /// <summary>Whether a CUSTOM policy applies, so that an external authorizer may have to be asked.</summary>
    public bool AsksAuthorizer => Current?.HasCustom == true;

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

            var last = _last;
            if (last is not null && ReferenceEquals(last.L4, mesh.Policies) && ReferenceEquals(last.Requests, mesh.Requests)
                && ReferenceEquals(last.Services, mesh.Services) && ReferenceEquals(last.Workload, workload))
            {
                return last.Policies;
            }

            var policies = MemberPolicies.Of(mesh, workload, last?.Policies);
            _last = new Compiled(mesh.Policies, mesh.Requests, mesh.Services, workload, policies);
            return policies;
        }
    }

    /// <summary>What the policies were compiled from. Services too: an authorizer whose service is not in the mesh is none.</summary>
    private sealed record Compiled(
        IReadOnlyDictionary<string, AuthorizationPolicy> L4,
        RequestConfiguration Requests,
        IReadOnlyDictionary<string, MeshService> Services,
        Workload Workload,
        MemberPolicies Policies);
}
