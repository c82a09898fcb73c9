using Ambient.Mesh;

namespace Ambient.Node.Member;

/// <summary>
/// Which ports of the workload the application answers. It has no sockets of its own that would refuse the others, so the mesh
/// says it: the target ports of the workload's services; any port where it has no service.
/// </summary>
internal static class MemberPorts
{
    /// <summary>Whether a port is served.</summary>
    public static bool IsServed(MeshSnapshot mesh, Workload workload, int port)
    {
        var any = false;
        foreach (var (key, mapped) in workload.Services)
        {
            if (!mesh.Services.TryGetValue(key, out var service))
            {
                continue;
            }

            foreach (var declared in service.Ports)
            {
                any = true;
                var target = mapped.FirstOrDefault(candidate => candidate.Port == declared.Port).TargetPort;
                if ((target == 0 ? declared.TargetPort : target) == port)
                {
                    return true;
                }
            }
        }

        return !any;
    }
}
