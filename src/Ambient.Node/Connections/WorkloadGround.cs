using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Connections;

/// <summary>
/// A connection to a workload stays open as long as its layer 4 policies let it in. Asks policy only when the policies or the workload are
/// not those that were asked last.
/// </summary>
internal sealed class WorkloadGround(Workload workload, ConnectionFacts facts) : IConnectionGround
{
    private readonly Workload _then = workload;
    private IReadOnlyDictionary<string, AuthorizationPolicy>? _policies;
    private Workload _asked = workload;

    /// <inheritdoc/>
    public ConnectionObjection? ObjectionIn(MeshSnapshot mesh)
    {
        // A workload that is gone from the mesh is judged as it was: its listeners end its connections, not policy.
        var now = mesh.Workloads.GetValueOrDefault(_then.Uid) ?? _then;
        if (ReferenceEquals(mesh.Policies, _policies) && ReferenceEquals(now, _asked))
        {
            return null;
        }

        (_policies, _asked) = (mesh.Policies, now);
        return ConnectionAuthorizer.Authorize(mesh, now, facts).IsAllowed ? null : new ConnectionObjection(ConnectionEnd.PolicyChange);
    }
}
