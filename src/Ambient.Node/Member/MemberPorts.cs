using Ambient.Mesh;

namespace Ambient.Node.Member;

/// <summary>
/// Which ports of the workload the application serves. It has no sockets of its own that would refuse the others, so they have to be
/// declared: as target ports of the workload's services, or in the application's options. A caller that asks for another port would have
/// policies judge that one, and reach the application all the same.
/// </summary>
internal static class MemberPorts
{
    /// <summary>Whether a port is served.</summary>
    public static bool IsServed(MeshSnapshot mesh, Workload workload, int port, IReadOnlyCollection<int> declared)
    {
        if (declared.Contains(port))
        {
            return true;
        }

        foreach (var (key, mapped) in workload.Services)
        {
            if (!mesh.Services.TryGetValue(key, out var service))
            {
                continue;
            }

            foreach (var own in service.Ports)
            {
                var target = mapped.FirstOrDefault(candidate => candidate.Port == own.Port).TargetPort;
                if ((target == 0 ? own.TargetPort : target) == port)
                {
                    return true;
                }
            }
        }

        return false;
    }
}
